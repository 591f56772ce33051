"""Random numbers that belong to places of the global batch: however replicas and micro-batches share it, every example is given the same.

A generator whose draws do so is marked by `of_the_batch`: then the engine seeds it alike on all replicas and in all micro-batches (see
`kvision.engine.randomness`). What is drawn by `uniform` differs from example to example; what is drawn without it is the same for all of them.
"""

from __future__ import annotations

import contextlib
import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import keras

Number: TypeAlias = "int | tf.Tensor"
_PLACE: ContextVar[tuple[Number, int] | None] = ContextVar("place", default=None)
_PHILOX, _BLOCK = 1, 4
"""The algorithm, and how many numbers one count of its counter is worth."""


def of_the_batch(generator: keras.random.SeedGenerator) -> keras.random.SeedGenerator:
    """Marks a generator, and gives it back."""
    generator.of_the_batch = True
    return generator


def is_of_the_batch(generator: keras.random.SeedGenerator) -> bool:
    """Whether a generator was marked."""
    return getattr(generator, "of_the_batch", False)


@contextlib.contextmanager
def at(first: Number, count: int) -> Iterator[None]:
    """What is computed within is for some examples of the global batch.

    Args:
        first: The place of the first one.
        count: How many they are.

    Yields:
        Nothing.
    """
    token = _PLACE.set((first, count))
    try:
        yield
    finally:
        _PLACE.reset(token)


def uniform(shape: Sequence[Number], generator: keras.random.SeedGenerator) -> tf.Tensor:
    """Numbers for each example: the part, at the place of these examples, of what is drawn for the whole global batch.

    Args:
        shape: Rows for each example, those of one after those of the other, and what else there is.
        generator: Marked by `of_the_batch`.

    Returns:
        Float32 of that shape in [0, 1); for a batch that is not shared what `keras.random.uniform` gives.

    References:
        Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3: a generator that counts can begin anywhere.
    """
    return _part(tf.raw_ops.StatelessRandomUniformV2, shape, generator)


def integers(shape: Sequence[Number], generator: keras.random.SeedGenerator) -> tf.Tensor:
    """As `uniform`, whole numbers: int32, any of them."""
    return _part(functools.partial(tf.raw_ops.StatelessRandomUniformFullIntV2, dtype=tf.int32), shape, generator)


def along(shape: Sequence[Number], longest: int, generator: keras.random.SeedGenerator) -> tf.Tensor:
    """Numbers for each step of sentences, which don't depend on how long the sentences of a replica are: those of the longest, cut.

    Args:
        shape: Rows for each example, as for `uniform`, their steps, and what else there is.
        longest: Most steps that a sentence may have.
        generator: Marked by `of_the_batch`.

    Returns:
        Float32 of that shape in [0, 1).
    """
    rows, steps, *rest = shape
    return uniform([rows, longest, *rest], generator)[:, :steps]


def _part(draw: Callable[..., tf.Tensor], shape: Sequence[Number], generator: keras.random.SeedGenerator) -> tf.Tensor:
    """The numbers of these examples among those of the global batch."""
    first, count = _PLACE.get() or (0, 1)
    size = tf.reduce_prod(tf.cast(tf.stack(shape), tf.int64))
    start = tf.cast(first, tf.int64) * (size // count)
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=tf.cast(generator.next(), tf.int64))
    counter += tf.cast(tf.stack([start // _BLOCK, 0]), tf.uint64)
    drawn = draw(shape=[size + _BLOCK - 1], key=key, counter=counter, alg=_PHILOX)
    return tf.reshape(tf.slice(drawn, [start % _BLOCK], [size]), shape)
