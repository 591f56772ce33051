"""Classification losses on numbers worked by hand, against Keras, and their gradients against finite differences in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.losses import classification

# Probabilities of three classes for two examples.
P = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
LOGITS = tf.constant(np.log(P), tf.float32)
LABEL = tf.constant([0, 1])
WEIGHTS = (2.0, 0.5, 1.0)
SCORES = tf.constant([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])  # the cat, the car and the frog of CS231n

LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "cross_entropy": classification.cross_entropy,
    "smoothed": lambda *args, **more: classification.cross_entropy(*args, label_smoothing=0.1, **more),
    "focal": classification.focal,
    "soft": lambda *args, **more: classification.bootstrapped(*args, beta=0.9, **more),
    "hard": lambda *args, **more: classification.bootstrapped(*args, beta=0.8, hard=True, **more),
    "hinge": classification.hinge,
    "squared_hinge": lambda *args, **more: classification.hinge(*args, squared=True, **more),
}
MIXABLE = ("cross_entropy", "smoothed", "focal", "soft", "hard")


def test_cross_entropy_by_hand() -> None:
    assert classification.cross_entropy(LOGITS, LABEL).numpy() == pytest.approx([-math.log(0.7), -math.log(0.25)])


def test_class_weights_multiply_and_are_not_divided_out() -> None:
    found = classification.cross_entropy(LOGITS, LABEL, class_weights=WEIGHTS)
    assert found.numpy() == pytest.approx([-2 * math.log(0.7), -0.5 * math.log(0.25)])


def test_label_smoothing_equals_keras() -> None:
    logits, label = tf.random.normal((6, 5)) * 3, tf.constant([0, 1, 2, 3, 4, 0])
    reference = keras.losses.categorical_crossentropy(tf.one_hot(label, 5), logits, from_logits=True, label_smoothing=0.1)
    np.testing.assert_allclose(classification.cross_entropy(logits, label, label_smoothing=0.1), reference, rtol=1e-5)


@pytest.mark.parametrize("name", MIXABLE)
def test_a_mixed_example_costs_the_mix_of_what_its_labels_cost(name: str) -> None:
    mixed = tf.constant([[0.3, 0.0, 0.7], [0.6, 0.4, 0.0]])
    whole = [LOSSES[name](LOGITS, tf.constant([label, label]), class_weights=WEIGHTS).numpy() for label in range(3)]
    expected = np.sum(mixed.numpy() * np.stack(whole, axis=1), axis=1)
    np.testing.assert_allclose(LOSSES[name](LOGITS, mixed, class_weights=WEIGHTS), expected, rtol=1e-5)


def test_focal_by_hand_and_against_keras() -> None:
    assert classification.focal(LOGITS, LABEL).numpy() == pytest.approx([-(0.3**2) * math.log(0.7), -(0.75**2) * math.log(0.25)])
    reference = keras.losses.categorical_focal_crossentropy(tf.one_hot(LABEL, 3), LOGITS, alpha=1.0, gamma=1.5, from_logits=True)
    np.testing.assert_allclose(classification.focal(LOGITS, LABEL, gamma=1.5), reference, rtol=1e-5)


def test_focal_without_focus_is_cross_entropy() -> None:
    np.testing.assert_allclose(classification.focal(LOGITS, LABEL, gamma=0.0), classification.cross_entropy(LOGITS, LABEL), rtol=1e-6)


def test_bootstrapped_by_hand() -> None:
    entropy = -np.sum(P * np.log(P), axis=1)
    given = -np.log([0.7, 0.25])
    np.testing.assert_allclose(classification.bootstrapped(LOGITS, LABEL, beta=0.95), 0.95 * given + 0.05 * entropy, rtol=1e-5)
    hard = 0.8 * given - 0.2 * np.log([0.7, 0.5])
    np.testing.assert_allclose(classification.bootstrapped(LOGITS, LABEL, beta=0.8, hard=True), hard, rtol=1e-5)


def test_hinge_by_hand() -> None:
    label = tf.constant([0, 1, 2])
    assert classification.hinge(SCORES, label).numpy() == pytest.approx([2.9, 0.0, 12.9], abs=1e-5)
    assert classification.hinge(SCORES, label, squared=True).numpy() == pytest.approx([2.9**2, 0.0, 6.3**2 + 6.6**2], rel=1e-5)
    assert classification.hinge(SCORES, label, margin=3.0).numpy() == pytest.approx([4.9, 0.1, 16.9], abs=1e-5)
    assert classification.hinge(SCORES, label, class_weights=WEIGHTS).numpy() == pytest.approx([5.8, 0.0, 12.9], abs=1e-5)
    assert classification.hinge(SCORES, label, squared=True, class_weights=WEIGHTS)[0].numpy() == pytest.approx(2 * 2.9**2, rel=1e-5)


@pytest.mark.parametrize("num_classes", [2, 10])
def test_at_the_start_the_loss_is_what_theory_says(num_classes: int) -> None:
    logits, label = tf.zeros((1, num_classes)), tf.constant([1])
    assert classification.cross_entropy(logits, label, label_smoothing=0.1).numpy() == pytest.approx([math.log(num_classes)])
    assert classification.bootstrapped(logits, label, beta=0.9).numpy() == pytest.approx([math.log(num_classes)])
    assert classification.hinge(logits, label).numpy() == pytest.approx([num_classes - 1])
    assert classification.hinge(logits, label, squared=True).numpy() == pytest.approx([num_classes - 1])
    assert classification.binary_cross_entropy(logits, tf.one_hot(label, num_classes)).numpy() == pytest.approx([math.log(2)])


def test_binary_cross_entropy_by_hand_and_against_keras() -> None:
    logits, targets = tf.math.log([[4.0, 0.25]]), tf.constant([[1.0, 0.0]])  # probabilities 0.8 and 0.2
    assert classification.binary_cross_entropy(logits, targets).numpy() == pytest.approx([-math.log(0.8)])
    weighted = classification.binary_cross_entropy(logits, targets, class_weights=(3.0, 0.0))
    assert weighted.numpy() == pytest.approx([-1.5 * math.log(0.8)])
    logits, targets = tf.random.normal((4, 5)), tf.random.uniform((4, 5))
    reference = keras.losses.binary_crossentropy(targets, logits, from_logits=True, label_smoothing=0.2)
    np.testing.assert_allclose(classification.binary_cross_entropy(logits, targets, label_smoothing=0.2), reference, rtol=1e-5)


def check_gradient(loss: Callable[[tf.Tensor], tf.Tensor], logits: np.ndarray) -> None:
    """The gradient equals central differences in float64."""
    step = 1e-6
    numeric = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[place] += step
        down[place] -= step
        numeric[place] = (loss(tf.constant(up)).numpy().sum() - loss(tf.constant(down)).numpy().sum()) / (2 * step)
    with tf.GradientTape() as tape:
        variable = tf.constant(logits)
        tape.watch(variable)
        value = loss(variable)
    assert value.dtype == tf.float64
    np.testing.assert_allclose(tape.gradient(value, variable), numeric, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_finite_differences(name: str) -> None:
    generator = np.random.default_rng(0)
    check_gradient(lambda x: LOSSES[name](x, tf.constant([0, 3, 1]), class_weights=(1.0, 2.0, 0.5, 3.0)), generator.normal(size=(3, 4)))


def test_gradients_of_mixed_and_of_binary_targets_equal_finite_differences() -> None:
    generator = np.random.default_rng(1)
    targets = generator.random((2, 3))
    check_gradient(lambda x: classification.focal(x, tf.constant(targets / targets.sum(axis=1, keepdims=True))), generator.normal(size=(2, 3)))
    check_gradient(
        lambda x: classification.binary_cross_entropy(x, tf.constant(targets), label_smoothing=0.1, class_weights=WEIGHTS),
        generator.normal(size=(2, 3)),
    )


@pytest.mark.parametrize("name", LOSSES)
def test_sure_and_half_precision_logits_stay_finite(name: str) -> None:
    logits = tf.Variable([[80.0, -80.0], [-80.0, 80.0]], dtype=tf.float16)
    with tf.GradientTape() as tape:
        losses = LOSSES[name](logits, tf.constant([0, 0]))
    assert losses.dtype == tf.float32
    assert np.isfinite(losses).all()
    assert np.isfinite(tape.gradient(losses, logits)).all()
    assert 10 * losses[0] < losses[1]


def test_a_graph_with_an_open_batch_dimension() -> None:
    graph = tf.function(classification.cross_entropy, input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None], tf.int32)])
    np.testing.assert_allclose(graph(LOGITS, LABEL), -np.log([0.7, 0.25]), rtol=1e-6)
