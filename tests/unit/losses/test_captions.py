"""Losses of sentences, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from kvision.losses import captions


def test_equal_logits_cost_log_of_the_vocabulary_and_smoothing_changes_nothing_there() -> None:
    targets = tf.constant([[1, 2, 0]])
    for smoothing in (0.0, 0.3):
        np.testing.assert_allclose(captions.cross_entropy(tf.zeros([1, 3, 5]), targets, label_smoothing=smoothing), math.log(5), rtol=1e-6)


def test_smoothing_asks_for_a_share_of_all_numbers() -> None:
    p = np.array([0.7, 0.2, 0.1])
    found = captions.cross_entropy(tf.math.log(tf.constant(p[None, None], tf.float32)), tf.constant([[0]]), label_smoothing=0.3)
    assert float(found[0, 0]) == pytest.approx(-0.7 * math.log(0.7) - 0.1 * np.log(p).sum(), rel=1e-5)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_of_many_numbers_the_compiled_loss_is_the_plain_one(dtype: tf.DType) -> None:
    logits = tf.cast(tf.random.stateless_normal([2, 3, 1500], [0, 0], stddev=3.0), dtype)
    targets = tf.constant([[5, 0, 1499], [7, 8, 9]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        ours = captions.cross_entropy(logits, targets)
        plain = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))
    np.testing.assert_allclose(ours, plain, rtol=1e-5)
    for mine, theirs in ((tape.gradient(ours, logits), tape.gradient(plain, logits)),):
        np.testing.assert_allclose(tf.cast(mine, tf.float32), tf.cast(theirs, tf.float32), atol=1e-6 if dtype == tf.float32 else 4e-3)


def test_the_doubly_stochastic_penalty_counts_what_each_place_got_before_the_end() -> None:
    alpha = tf.constant([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]]])
    counted = tf.constant([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    # The first sentence, of two steps, looked at both places once; the second at the first place twice and at the other once.
    np.testing.assert_allclose(captions.doubly_stochastic(alpha, counted), [0.0, 0.5])


def test_drawn_places_are_taught_by_the_tokens_that_went_better_than_the_sentence() -> None:
    logits, losses = tf.Variable(tf.zeros([2, 1, 2])), tf.constant([[1.0], [3.0]])
    chosen = tf.constant([[[1.0, 0.0]], [[1.0, 0.0]]])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(captions.places_drawn(tf.nn.softmax(logits), chosen, losses, tf.ones([2, 1]), entropy=0.0))
    # By (cost - mean cost) times the gradient of log p: the place of the cheap token becomes more probable, that of the dear one less.
    np.testing.assert_allclose(tape.gradient(value, logits), [[[-0.5, 0.5]], [[0.5, -0.5]]], rtol=1e-5)


def test_entropy_of_the_places_is_rewarded() -> None:
    even, sure = (captions.places_drawn(tf.constant([[each]]), tf.constant([[[1.0, 0.0]]]), tf.zeros([1, 1]), tf.ones([1, 1]), entropy=2.0)
                  for each in ([0.5, 0.5], [0.99, 0.01]))  # fmt: skip
    assert float(even[0, 0]) == pytest.approx(-2 * math.log(2), rel=1e-5)
    assert float(even[0, 0]) < float(sure[0, 0])
