"""Random layers as pure functions of seed and step: the state of Keras' seed generators is set before every forward pass.

Ours draw by an example's place in the global batch, so that replicas and micro-batches do together what one would do (`kvision.ops.draws`).
Others, such as those of Keras, draw by replica and micro-batch, else all replicas would draw alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

from kvision.engine import replica as replicas
from kvision.ops import draws

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import keras

Number: TypeAlias = "int | tf.Tensor"


def seed_generators(networks: Iterable[keras.Model]) -> list[keras.random.SeedGenerator]:
    """The seed generators of all layers, each once, in the order of networks and layers."""
    found: dict[int, keras.random.SeedGenerator] = {}
    for network in networks:
        for layer in network._flatten_layers():
            for generator in getattr(layer, "_seed_generators", ()):
                found.setdefault(id(generator), generator)
    return list(found.values())


def reseed(
    generators: Sequence[keras.random.SeedGenerator], seed: int, step: Number, replica: Number = 0, micro: Number = 0, update: Number = 0
) -> None:
    """Sets every generator's state from the arguments alone; in replica context.

    Args:
        generators: Of `seed_generators`; each gets a state of its own.
        seed: The run's seed.
        step: Global step.
        replica: Number of this replica among those in sync.
        micro: Number of the micro-batch.
        update: Number of the optimizer, for systems that run their networks more than once a step.
    """
    if not generators:
        return
    own, common = (_states(len(generators), seed, step, *place, update) for place in ((replica, micro), (0, 0)))
    for generator, mine, everyones in zip(generators, own, common, strict=True):
        replicas.assign(generator.state, everyones if draws.is_of_the_batch(generator) else mine)


def _states(count: int, seed: int, step: Number, *numbers: Number) -> list[tf.Tensor]:
    """A state for each of so many generators."""
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    for number in numbers:
        key = tf.random.fold_in(key, tf.cast(number, tf.int64))
    return tf.unstack(tf.random.stateless_uniform([count, 2], seed=key, minval=0, maxval=2**31 - 1, dtype=tf.int32))
