"""The energies of additive attention in a loop over the words, and their gradients.

Paper: Bahdanau et al. 2015, arXiv 1409.0473, A.1.2: e_g = v . tanh(k_g + q).
TensorFlow's own operations write the G x A values of each tanh, keep them for the gradient, and sum that of the keys step by step. Here XLA takes
sums while it finds what is summed; gradients find the tanh again instead of reading it; and the keys' are taken once, for all steps, after the loop.

Shapes: T steps, N sentences, G places, A units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.layers.recurrence import Deferred
from kvision.ops import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable


class DeferredKeys(Deferred):
    """Keys of which a loop takes energies, and whose gradient is taken after it: `offsets` go to the energies, `saw` is told the queries.

    Args:
        keys: `[N, G, A]`.
        weight: v, `[A, 1]`.
    """

    def __init__(self, keys: tf.Tensor, weight: tf.Tensor) -> None:
        super().__init__(keys)
        self._v = weight

    def energies(self, query: tf.Tensor) -> tf.Tensor:
        """The energies of a step, `[N, G]`, of a query `[N, A]`, as `energies` has them."""

        @tf.custom_gradient
        def of(query: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
            return _compiled(self.held, query, weight), lambda upstream: _of_step(self.held, query, weight, upstream)

        return of(query, self._v)

    def _gradient_of(self, seen: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return _of_keys(self.held, seen, self._v, upstream)


def energies(keys: tf.Tensor, query: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The energies by operations that every runtime has.

    Args:
        keys: `[N, G, A]`.
        query: `[N, A]`.
        weight: v, `[A, 1]`.

    Returns:
        `[N, G]`, in float32 at least.
    """
    seen = tf.reshape(tf.tanh(keys + query[:, None]), [-1, keys.shape[-1]])
    return dtypes.widened(tf.reshape(tf.matmul(seen, weight), [-1, keys.shape[1]]))


@tf.function(jit_compile=True, autograph=False)
def _compiled(keys: tf.Tensor, query: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(_tanh(keys, query[:, None]) * dtypes.widened(weight[:, 0]), axis=-1)


def _of_step(keys: tf.Tensor, query: tf.Tensor, weight: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients of query and weight."""
    of_query, of_weight = _sums(keys, query, weight, upstream)
    return of_query, tf.cast(tf.reduce_sum(of_weight, axis=0)[:, None], weight.dtype)


@tf.function(jit_compile=True, autograph=False)
def _sums(keys: tf.Tensor, query: tf.Tensor, weight: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradient of the query, and each sentence's share of that of the weight, `[N, A]`."""
    seen = _tanh(keys, query[:, None])
    of_query = dtypes.widened(weight[:, 0]) * tf.reduce_sum(upstream[..., None] * (1.0 - seen * seen), axis=1)
    return tf.cast(of_query, query.dtype), tf.reduce_sum(upstream[..., None] * seen, axis=1)


@tf.function(jit_compile=True, autograph=False)
def _of_keys(keys: tf.Tensor, queries: tf.Tensor, weight: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """The gradient of the keys, of queries `[T, N, A]` and the energies' gradients `[T, N, G]`."""
    seen = _tanh(keys, queries[:, :, None])
    return tf.cast(dtypes.widened(weight[:, 0]) * tf.reduce_sum(upstream[..., None] * (1.0 - seen * seen), axis=0), keys.dtype)


def _tanh(keys: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    return tf.tanh(dtypes.widened(keys) + dtypes.widened(queries))
