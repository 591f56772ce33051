"""The energies of additive attention: those of the paper's formula, and gradients as if every step of the loop had been differentiated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import additive, recurrence
from kvision.layers.additive import DeferredKeys

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS, SENTENCES, PLACES, UNITS = 3, 2, 5, 4


def drawn(dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Keys, the first query and v."""
    shapes = ([SENTENCES, PLACES, UNITS], [SENTENCES, UNITS], [UNITS, 1])
    return tuple(tf.cast(tf.random.stateless_normal(shape, (7, number)), dtype) for number, shape in enumerate(shapes))


def cost(energies: Callable[[tf.Tensor], tf.Tensor], query: tf.Tensor, offsets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of a loop whose next query depends on the energies of the last; and the queries."""

    def step(states: recurrence.Tensors, inputs: recurrence.Tensors) -> tuple[recurrence.Tensors, recurrence.Tensors]:
        said = energies(states["query"]) + inputs["offsets"]
        following = states["query"] * tf.cast(1.0 + tf.reduce_mean(tf.sin(said), axis=1, keepdims=True), query.dtype)
        return {"query": following}, {"said": said, "query": states["query"]}

    found = recurrence.loop(step, {"query": query}, {"offsets": offsets}, {"said": offsets[0], "query": query})
    return tf.reduce_sum(tf.sin(found["said"])), found["query"]


@pytest.mark.parametrize(("dtype", "off"), [(tf.float32, 1e-5), (tf.float64, 1e-12)])
def test_gradients_are_those_of_the_loop_without_deferring(dtype: tf.DType, off: float) -> None:
    keys, query, weight = given = drawn(dtype)
    zeros = tf.zeros([STEPS, SENTENCES, PLACES], dtype)

    @tf.function
    def gradients(deferred: bool) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(given)
            if deferred:
                held = DeferredKeys(keys, weight)
                value, queries = cost(held.energies, query, held.offsets(zeros))
                held.saw(queries)
            else:
                value, _ = cost(lambda query: additive.energies(keys, query, weight), query, zeros)
        return tape.gradient(value, given)

    for ours, plain in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=off * np.abs(plain).max())


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_energies_are_the_formula(dtype: tf.DType) -> None:
    keys, query, weight = drawn(dtype)
    k, q, v = (np.asarray(tf.cast(each, tf.float64)) for each in (keys, query, weight))
    expected = np.tanh(k + q[:, None]) @ v[:, 0]
    fused, plain = DeferredKeys(keys, weight).energies(query), additive.energies(keys, query, weight)
    assert fused.dtype == plain.dtype == tf.float32
    np.testing.assert_allclose(fused, expected, atol=1e-5)
    np.testing.assert_allclose(plain, expected, atol=1e-5 if dtype == tf.float32 else 0.05)
