"""Recurrent layers over whole sentences are Keras' own, gradients too."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import recurrence
from kvision.layers.recurrence import Deferred

LAYERS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_whole_sentence_is_what_keras_says_and_learns(kind: str) -> None:
    keras.utils.set_random_seed(0)
    layer = LAYERS[kind](4, return_sequences=True, return_state=True, bias_initializer="normal")
    layer.build((None, None, 3))
    x, states = tf.random.normal([2, 5, 3]), [tf.random.normal([2, 4]) for _ in range(1 + (kind == "lstm"))]
    weights = [x, *states, *(variable.value for variable in layer.weights)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(weights)
        theirs = layer(x, initial_state=states)[0]
        ours = tf.transpose(recurrence.whole(layer, tf.transpose(x, [1, 0, 2]), tuple(states)), [1, 0, 2])
        costs = [tf.reduce_sum(tf.square(each) * tf.range(1.0, 5.0)) for each in (ours, theirs)]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for mine, keras_own in zip(*(tape.gradient(cost, weights) for cost in costs), strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-4, atol=1e-5)
    one = recurrence.once(layer, x[:, 0], tuple(states))
    np.testing.assert_allclose(one[0], theirs[:, 0], atol=1e-6)


def test_what_is_added_to_a_plain_layer_stands_beside_its_inputs() -> None:
    layer = keras.layers.SimpleRNN(2, return_sequences=True, return_state=True)
    layer.build((None, None, 3))
    x, h, added = tf.random.normal([2, 1, 3]), tf.random.normal([1, 2]), tf.random.normal([2, 1, 2])
    found = recurrence.whole(layer, x, (h,), added)
    expected = np.tanh(x[0] @ layer.cell.kernel + h @ layer.cell.recurrent_kernel + added[0])
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    np.testing.assert_allclose(recurrence.once(layer, x[0], (h,), added[0])[0], expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 2), (4, 3, 2)])
def test_a_deferred_weight_has_the_gradient_of_the_products(shape: tuple[int, ...]) -> None:
    weight, seen, offsets = tf.random.normal(shape), tf.random.normal([5, 4, 3]), tf.zeros([5, 4, 2])

    def cost(products: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.sin(products))

    with tf.GradientTape(persistent=True) as tape:
        tape.watch([weight, offsets])
        plain = cost(tf.einsum("tnh,nhk->tnk" if len(shape) == 3 else "tnh,hk->tnk", seen, weight))
        deferred = Deferred(weight)
        own = deferred.offsets(offsets)
        ours = cost(tf.einsum("tnh,nhk->tnk" if len(shape) == 3 else "tnh,hk->tnk", seen, deferred.held) + own)
        deferred.saw(seen)
    np.testing.assert_allclose(tape.gradient(ours, weight), tape.gradient(plain, weight), rtol=1e-4, atol=1e-5)


def test_a_deferred_weight_must_be_told_what_it_was_multiplied_by() -> None:
    weight = tf.ones([1, 1])
    with tf.GradientTape() as tape:
        tape.watch(weight)
        value = Deferred(weight).offsets(tf.ones([1, 1, 1]))
    with pytest.raises(ValueError, match=r"saw\(\)"):
        tape.gradient(value, weight)
