"""The decoders in numpy against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision_edge.postprocess import classification, detection, scores
from tests.edge import tiny


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_activations_equal_tensorflows(activation: str) -> None:
    logits = np.random.default_rng(0).normal(0, 30, (5, 7)).astype(np.float32)
    logits[0] = [1e4, -1e4, 0, 0, 0, 0, 0]
    expected = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, "none": tf.identity}[activation](logits).numpy()
    with np.errstate(over="raise"):
        np.testing.assert_allclose(scores.activated(logits, activation), expected, rtol=2e-6, atol=1e-37)


def test_the_best_classes_are_tensorflows_top_k() -> None:
    logits = np.random.default_rng(0).integers(0, 4, 12).astype(np.float32)  # with many equals
    decoder = classification.Decode(tiny.described("classification", {"output": "logits", "top_k": 5}, tuple("abcdefghijkl")), tiny.giving("logits"))
    found = decoder.answer({"logits": logits[None]}, None)
    values, indices = tf.math.top_k(tf.nn.softmax(logits), 5)
    assert found.classes == tuple(indices.numpy())
    assert found.labels == tuple("abcdefghijkl"[n] for n in found.classes)
    np.testing.assert_allclose(found.probabilities, values, rtol=1e-6)
    assert found.text().splitlines()[0] == f"{found.probabilities[0]:7.2%}  {found.labels[0]}"


@pytest.mark.parametrize("seed", range(20))
def test_suppression_keeps_the_boxes_that_tensorflow_keeps(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0, 25, (80, 2))], axis=1).astype(np.float32)
    boxes[::9] = boxes[::9][:, [2, 3, 0, 1]]  # corners the other way round
    boxes[5] = boxes[6] = [3, 3, 3, 9]  # empty
    ranks = random.permutation(80).astype(np.float32) / 80  # TensorFlow leaves the order of equals open
    most, iou, least = int(random.integers(1, 60)), float(random.uniform(0.1, 0.8)), float(random.uniform(0, 0.5))
    expected = tf.image.non_max_suppression(boxes, ranks, most, iou, least).numpy()
    np.testing.assert_array_equal(detection.non_max_suppression(boxes, ranks, most, iou, least), expected)
