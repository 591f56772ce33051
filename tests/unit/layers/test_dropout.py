from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers.dropout import Dropout, StepDropout
from kvision.ops import draws


@pytest.mark.parametrize("shape", [(4, 6, 6, 3), (4, 7)])
def test_it_is_keras_own_bit_for_bit(shape: tuple[int, ...]) -> None:
    x = tf.random.normal(shape)
    ours, theirs = Dropout(0.3, seed=5), keras.layers.Dropout(0.3, seed=5)
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))  # and the second time
    np.testing.assert_array_equal(ours(x, training=False), x)
    np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)


def test_an_example_loses_the_same_in_any_part_of_the_batch() -> None:
    x = tf.ones([8, 5])
    whole = Dropout(0.5, seed=5)(x, training=True).numpy()
    with draws.at(6, 2):
        np.testing.assert_array_equal(Dropout(0.5, seed=5)(x[6:], training=True), whole[6:])


@pytest.mark.parametrize("steps_first", [False, True])
def test_a_step_loses_the_same_however_long_the_sentences_beside_it_are(steps_first: bool) -> None:
    x = tf.ones([7, 8, 5] if steps_first else [8, 7, 5])
    part = x[:4, 6:] if steps_first else x[6:, :4]
    whole, cut = (StepDropout(0.5, 7, steps_first, seed=5) for _ in range(2))
    expected = whole(x, training=True).numpy()
    assert set(np.unique(expected)) == {0.0, 2.0}
    with draws.at(6, 2):
        np.testing.assert_array_equal(cut(part, training=True), expected[:4, 6:] if steps_first else expected[6:, :4])


def test_half_precision_stays_so() -> None:
    layer = Dropout(0.5, dtype="bfloat16")
    y = layer(tf.ones([64, 64], tf.bfloat16), training=True)
    assert y.dtype == tf.bfloat16
    assert set(np.unique(tf.cast(y, tf.float32))) == {0.0, 2.0}


def test_it_is_saved_as_it_is() -> None:
    image = keras.Input((3,))
    model = keras.Model(image, Dropout(0.25, name="drop")(image))
    copy = keras.models.clone_model(model).get_layer("drop")
    assert (type(copy), copy.rate) == (Dropout, 0.25)
    assert draws.is_of_the_batch(copy.seed_generator)
