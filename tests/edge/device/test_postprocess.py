"""The decoders against a slow search that can't be wrong, and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kvision_edge import manifest
from kvision_edge.errors import BundleError, UsageError
from kvision_edge.postprocess import captioning, choose, detection, rl
from kvision_edge.postprocess.decoder import Frame
from kvision_edge.preprocess import Preprocess
from tests.edge import tiny


def test_boxes_are_suppressed_class_by_class_and_laid_over_the_picture() -> None:
    decoder = choose(
        tiny.described("detection", {"boxes": "boxes", "scores": "scores", "activation": "none"}, ("cat", "dog")), tiny.giving("boxes", "scores")
    )
    boxes = np.array([[16, 0, 32, 32], [16, 0, 32, 31], [16, 0, 32, 32], [0, 0, 1, 1]], np.float32)
    ranks = np.array([[0.9, 0], [0.8, 0], [0, 0.7], [0.01, 0.02]], np.float32)
    frame = Frame(np.zeros((100, 200, 3), np.uint8), Preprocess(manifest.Preprocess(64, "resize", tiny.MEAN, tiny.STD)))
    found = decoder.answer({"boxes": boxes[None], "scores": ranks[None]}, frame)
    assert isinstance(found, detection.Detection)
    assert found.labels == ("cat", "dog")
    np.testing.assert_allclose(found.boxes, [[0, 0, 50, 100]] * 2)
    assert found.to_json()["objects"][1] == {"box": [0, 0, 50, 100], "class": 1, "label": "dog", "score": 0.7}
    assert found.pictures(frame.image)["overlay"].size == (200, 100)


TABLE = np.random.default_rng(2).normal(0, 1.5, (5, 5, 4)).astype(np.float32)
"""Logits of the next of 4 tokens by the last two."""
START, END = 3, 0


def step(token: int, state: dict) -> tuple[np.ndarray, dict]:
    return TABLE[int(state["last"]), token], {"last": np.array(token)}


def sentences(most: int) -> dict[tuple[int, ...], float]:
    """Log-probability of every sentence that ends, or is cut at `most` tokens."""
    found = {}
    for length in range(most + 1):
        for words in itertools.product([1, 2, 3], repeat=length):
            tokens = words if length == most else (*words, END)
            last, state, total = START, {"last": np.array(4)}, 0.0
            for token in tokens:
                logits, state = step(last, state)
                total += float(np.log(np.exp(logits[token]) / np.exp(logits).sum()))
                last = token
            found[words] = total
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_a_beam_as_wide_as_all_sentences_finds_the_best_one(alpha: float) -> None:
    every = sentences(4)
    best = max(every, key=lambda words: every[words] / (len(words) + (len(words) < 4)) ** alpha)
    found = captioning.beam_search(step, {"last": np.array(4)}, start=START, end=END, most=4, beam=500, alpha=alpha)
    assert found.tokens == best
    assert found.log_probability == pytest.approx(every[best], rel=1e-6)


def test_a_beam_of_one_is_greedy_search_and_a_wider_one_is_no_worse() -> None:
    last, state, words = START, {"last": np.array(4)}, []
    for _ in range(4):
        logits, state = step(last, state)
        if (last := int(logits.argmax())) == END:
            break
        words.append(last)
    found = [captioning.beam_search(step, {"last": np.array(4)}, start=START, end=END, most=4, beam=beam) for beam in (1, 2, 3)]
    assert found[0].tokens == tuple(words)
    assert found[0].log_probability <= found[2].log_probability + 1e-9


def test_a_sentence_has_no_more_words_than_it_may() -> None:
    def endless(token: int, state: dict) -> tuple[np.ndarray, dict]:
        return np.array([-50.0, 5.0, 0.0, 0.0], np.float32), state

    assert captioning.beam_search(endless, {}, start=START, end=END, most=7, beam=2).tokens == (1,) * 7


def test_the_best_action_and_the_share_of_each_action_that_is_drawn() -> None:
    logits = np.array([[0.0, 1.0, 2.0, -1.0]], np.float32)
    best = rl.Decode(tiny.described("rl", {"output": "logits"}), tiny.giving("logits")).answer({"logits": logits}, None)
    assert (best.action, best.label) == (2, "c")
    np.testing.assert_allclose(best.probabilities, np.exp(logits[0]) / np.exp(logits[0]).sum(), rtol=1e-6)
    sampler = rl.Decode(tiny.described("rl", {"output": "logits", "sample": True, "seed": 0}), tiny.giving("logits"))
    drawn = np.bincount([int(sampler.answer({"logits": logits}, None).action) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(drawn, best.probabilities, atol=4 * np.sqrt(0.25 / 4000))


def test_a_draw_is_the_inverse_of_the_distribution_by_hand() -> None:
    assert [rl.draw(np.array([0.5, 0.0, 0.5]), uniform) for uniform in (0.0, 0.49, 0.5, 0.99)] == [0, 0, 2, 2]
    assert rl.draw(np.array([0.5, 0.5 - 1e-9], np.float32), 1 - 1e-16) == 1


def test_a_continuous_policy_gives_its_mean_or_draws_around_it() -> None:
    outputs = {"mean": np.array([[0.5, -1.0]], np.float32), "log_std": np.log(np.array([[0.1, 0.2]], np.float32))}
    settings = {"output": "mean", "policy": "gaussian", "log_std": "log_std"}
    mean = rl.Decode(tiny.described("rl", {**settings, "squash": True}), tiny.giving("mean", "log_std")).answer(outputs, None)
    np.testing.assert_allclose(mean.action, np.tanh([0.5, -1.0]), rtol=1e-6)
    sampler = rl.Decode(tiny.described("rl", {**settings, "sample": True, "seed": 0}), tiny.giving("mean", "log_std"))
    drawn = np.array([sampler.answer(outputs, None).action for _ in range(3000)])
    np.testing.assert_allclose(drawn.mean(0), [0.5, -1.0], atol=0.02)
    np.testing.assert_allclose(drawn.std(0), [0.1, 0.2], rtol=0.06)


@pytest.mark.parametrize(
    ("task", "decode", "said"),
    [
        ("telepathy", {}, "telepathy.*segmentation"),
        ("segmentation", {"activation": "tanh"}, "activation is 'tanh'.*softmax, sigmoid, none"),
        ("captioning", {"start": 1, "end": 2}, "decode.step is 'step'.*predict"),
        ("detection", {"max_boxes": "many"}, "max_boxes is 'many', expected a number"),
        ("rl", {"policy": "guess"}, "guess.*categorical, gaussian"),
    ],
)
def test_settings_of_a_newer_exporter_are_refused(task: str, decode: dict, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        choose(tiny.described(task, decode), tiny.giving("logits"))


def test_a_network_for_pictures_says_so_when_it_is_given_arrays() -> None:
    decoder = choose(tiny.described("segmentation", {}), tiny.giving("logits"))
    with pytest.raises(UsageError, match="predicts pictures, not arrays"):
        decoder.answer({"logits": np.zeros((1, 4, 4, 4), np.float32)}, None)


def test_an_output_that_is_not_there_is_named() -> None:
    decoder = choose(tiny.described("segmentation", {"output": "logits"}), tiny.giving("x", "y"))
    frame = Frame(np.zeros((4, 4, 3), np.uint8), Preprocess(manifest.Preprocess(4, "resize", tiny.MEAN, tiny.STD)))
    with pytest.raises(BundleError, match=r"decode\.output is 'logits' and the file gives x, y"):
        decoder.answer({"x": np.zeros((1, 4, 4, 4)), "y": np.zeros((1, 4, 4, 4))}, frame)
