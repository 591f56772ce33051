"""Which sentences a step sees: a pure function of seed, epoch and example, the same alone as in a batch."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kvision.data import references

COUNTS = (7, 3, 2, 1, 5)
CAPTIONS = np.array([[f"{row}{place}" if place < count else "" for place in range(7)] for row, count in enumerate(COUNTS)], dtype=object)
TOKENS = np.array([[[1, 10 * row + place, 2] if place < count else [0, 0, 0] for place in range(7)] for row, count in enumerate(COUNTS)], np.int32)


def batch(epoch: int, most: int = 3, seed: int = 5) -> dict[str, np.ndarray]:
    example = {"captions": tf.constant(CAPTIONS), "tokens": tf.constant(TOKENS), "weight": tf.ones([5])}
    index = tf.range(5, dtype=tf.int64)
    return {name: value.numpy() for name, value in references.draw(example, most, seed, tf.fill([5], tf.constant(epoch, tf.int64)), index).items()}


def test_no_sentence_twice_none_of_another_example_and_fillers_only_where_there_are_too_few():
    found = batch(0)
    assert found["captions"].shape == (5, 3)
    assert found["tokens"].shape == (5, 3, 3)
    for row, count in enumerate(COUNTS):
        texts = [text.decode() for text in found["captions"][row]]
        assert texts[: min(count, 3)] == [text for text in texts if text]
        assert len(set(texts[: min(count, 3)])) == min(count, 3)
        assert all(text.startswith(str(row)) for text in texts if text)
        assert [f"{number // 10}{number % 10}" for number in found["tokens"][row, :, 1] if number or row == 0][: min(count, 3)] == texts[
            : min(count, 3)
        ]
    assert [text.decode() for text in found["captions"][2]] == ["20", "21", ""], "what has no more keeps its order"


def test_all_sentences_come_in_some_epoch_and_equally_often():
    counts = np.zeros(7, int)
    for epoch in range(140):
        for text in batch(epoch)["captions"][0]:
            counts[int(text.decode()[1])] += 1
    assert counts.sum() == 420
    assert counts.min() > 40 and counts.max() < 80  # noqa: PT018


def test_epoch_seed_and_example_decide():
    first = batch(0)["captions"]
    np.testing.assert_array_equal(first, batch(0)["captions"])
    assert any((first[0] != batch(epoch)["captions"][0]).any() for epoch in range(1, 4))
    assert any((first[0] != batch(0, seed=seed)["captions"][0]).any() for seed in range(6, 9))
    orders = [[int(text.decode()[1]) for text in batch(epoch)["captions"][row]] for row in (0, 4) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) > 2


def test_alone_as_in_a_batch():
    together = batch(2)
    for row in range(5):
        example = {"captions": tf.constant(CAPTIONS[row]), "tokens": tf.constant(TOKENS[row])}
        alone = references.draw(example, 3, 5, tf.constant(2, tf.int64), tf.constant(row, tf.int64))
        np.testing.assert_array_equal(alone["captions"], together["captions"][row])
        np.testing.assert_array_equal(alone["tokens"], together["tokens"][row])
    only = references.draw({"captions": tf.constant(CAPTIONS[0])}, 3, 5, tf.constant(2, tf.int64), tf.constant(0, tf.int64))
    np.testing.assert_array_equal(only["captions"], together["captions"][0])


def test_what_fits_is_left_as_it_is():
    example = {"tokens": tf.constant(TOKENS)}
    assert references.draw(example, 7, 0, tf.constant(0, tf.int64), tf.range(5, dtype=tf.int64)) is example
