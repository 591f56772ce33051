"""The decoders against a slow search that can't be wrong, and by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kvision_edge import manifest
from kvision_edge.errors import BundleError, UsageError
from kvision_edge.postprocess import choose, decoding, detection, policy, threefry
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
"""Logits of the next of 4 tokens, padding among them, by the last two."""
START, END = 4, 1
FIRST = {"last": np.array(0)}


def step(token: int, states: dict) -> tuple[np.ndarray, dict]:
    return TABLE[int(states["last"]), token], {"last": np.array(token)}


def sentences(most: int) -> dict[tuple[int, ...], float]:
    """Log-probability of every sentence of up to `most` words with its end."""
    found = {}
    for words in (each for length in range(most + 1) for each in itertools.product([2, 3], repeat=length)):
        last, states, total = START, FIRST, 0.0
        for token in (*words, END):
            logits, states = step(last, states)
            total += float(np.log(np.exp(logits[token]) / np.exp(logits).sum()))
            last = token
        found[(*words, END)] = total
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_a_beam_as_wide_as_all_sentences_finds_them_in_their_order(alpha: float) -> None:
    every = sentences(4)
    found = decoding.search(step, FIRST, decoding.Rules(START, END, 4, beam=500, nbest=500, length_alpha=alpha))
    assert [each.tokens for each in found] == sorted(every, key=lambda tokens: -every[tokens] / len(tokens) ** alpha)
    assert [each.log_probability for each in found] == pytest.approx([every[each.tokens] for each in found], rel=1e-6)


def test_a_beam_of_one_is_greedy_search_and_a_wider_one_is_no_worse() -> None:
    last, states, words = START, FIRST, []
    while len(words) < 4:
        logits, states = step(last, states)
        logits[0] = -np.inf
        if (last := int(logits.argmax())) == END:
            break
        words.append(last)
    found = [decoding.search(step, FIRST, decoding.Rules(START, END, 4, beam=beam))[0] for beam in (1, 2, 3)]
    assert found[0].tokens == (*words, END)
    assert found[0].log_probability <= found[2].log_probability + 1e-9


def test_a_sentence_has_no_more_words_than_it_may() -> None:
    def endless(token: int, states: dict) -> tuple[np.ndarray, dict]:
        return np.array([0.0, -50.0, 5.0, 0.0], np.float32), {}

    assert decoding.search(endless, {}, decoding.Rules(START, END, 7, beam=2))[0].tokens == (2,) * 7 + (END,)


def test_a_draw_is_by_known_words() -> None:
    assert threefry.threefry((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)) == (0xC4923A9C, 0x483DF7A0)  # kat_vectors of Random123
    drawn = [each.tokens[0] for each in decoding.search(step, FIRST, decoding.Rules(START, END, 1, nbest=2000, temperature=2.0))]
    shares = np.exp(TABLE[0, START, 1:] / 2) / np.exp(TABLE[0, START, 1:] / 2).sum()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4)[1:] / 2000, shares, atol=4 * np.sqrt(0.25 / 2000))


def test_the_best_action_and_the_share_of_each_action_that_is_drawn() -> None:
    logits = np.array([[0.0, 1.0, 2.0, -1.0]], np.float32)
    best = policy.Decode(tiny.described("policy", {"output": "logits"}), tiny.giving("logits")).answer({"logits": logits}, None)
    assert (best.action, best.label) == (2, "c")
    np.testing.assert_allclose(best.probabilities, np.exp(logits[0]) / np.exp(logits[0]).sum(), rtol=1e-6)
    sampler = policy.Decode(tiny.described("policy", {"output": "logits", "sample": True, "seed": 0}), tiny.giving("logits"))
    drawn = np.bincount([int(sampler.answer({"logits": logits}, None).action) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(drawn, best.probabilities, atol=4 * np.sqrt(0.25 / 4000))


def test_a_draw_is_the_inverse_of_the_distribution_by_hand() -> None:
    assert [policy.draw(np.array([0.5, 0.0, 0.5]), uniform) for uniform in (0.0, 0.49, 0.5, 0.99)] == [0, 0, 2, 2]
    assert policy.draw(np.array([0.5, 0.5 - 1e-9], np.float32), 1 - 1e-16) == 1


def test_a_continuous_policy_gives_its_mean_or_draws_around_it() -> None:
    outputs = {"mean": np.array([[0.5, -1.0]], np.float32), "log_std": np.log(np.array([[0.1, 0.2]], np.float32))}
    settings = {"output": "mean", "policy": "gaussian", "log_std": "log_std"}
    mean = policy.Decode(tiny.described("policy", {**settings, "squash": True}), tiny.giving("mean", "log_std")).answer(outputs, None)
    np.testing.assert_allclose(mean.action, np.tanh([0.5, -1.0]), rtol=1e-6)
    sampler = policy.Decode(tiny.described("policy", {**settings, "sample": True, "seed": 0}), tiny.giving("mean", "log_std"))
    drawn = np.array([sampler.answer(outputs, None).action for _ in range(3000)])
    np.testing.assert_allclose(drawn.mean(0), [0.5, -1.0], atol=0.02)
    np.testing.assert_allclose(drawn.std(0), [0.1, 0.2], rtol=0.06)


@pytest.mark.parametrize(("squash", "expected"), [(False, [0.5, 2.0]), (True, [1.5 + 1.5 * np.tanh(0.5), 2 + np.tanh(-1)])])
def test_a_continuous_action_is_within_the_bounds_of_the_bundle(squash: bool, expected: list[float]) -> None:
    settings = {"output": "mean", "policy": "gaussian", "squash": squash, "low": [0, 1], "high": [3, 3]}
    mean = np.array([[0.5, -1.0 if squash else 2.0]], np.float32)
    found = policy.Decode(tiny.described("policy", settings), tiny.giving("mean")).answer({"mean": mean}, None)
    assert found.sizes == ()
    np.testing.assert_allclose(found.action, expected, rtol=1e-6)
    clipped = policy.Decode(tiny.described("policy", {**settings, "squash": False}), tiny.giving("mean")).answer({"mean": mean + 9}, None)
    assert clipped.action == (3.0, 3.0)


def test_an_action_of_several_parts_has_a_number_for_each() -> None:
    settings = {"output": "logits", "actions": [2, 3]}
    logits = np.array([[1.0, 0.0, 0.0, 1.0, 2.0]], np.float32)
    found = policy.Decode(tiny.described("policy", settings), tiny.giving("logits")).answer({"logits": logits}, None)
    assert (found.action, found.sizes, found.text()) == ((0, 2), (2, 3), "0 2")
    np.testing.assert_allclose(found.probabilities[:2], [np.e / (1 + np.e), 1 / (1 + np.e)], rtol=1e-6)
    assert sum(found.probabilities[2:]) == pytest.approx(1)
    decoder = policy.Decode(tiny.described("policy", {**settings, "actions": [2, 2]}), tiny.giving("logits"))
    with pytest.raises(BundleError, match=r"decode.actions is \[2, 2\], and the file gives 5 values"):
        decoder.answer({"logits": logits}, None)


def test_values_of_actions_are_no_logits() -> None:
    decoder = policy.Decode(tiny.described("policy", {"output": "values", "policy": "values"}), tiny.giving("values"))
    found = decoder.answer({"values": np.array([[-3.0, -1.0, -2.0]], np.float32)}, None)
    assert (found.action, found.label, found.probabilities, found.text()) == (1, "b", (), "b")


@pytest.mark.parametrize(
    ("task", "decode", "said"),
    [
        ("telepathy", {}, "telepathy.*segmentation"),
        ("segmentation", {"activation": "tanh"}, "activation is 'tanh'.*softmax, sigmoid, none"),
        ("captioning", {"start": 1, "end": 2}, "decode.step is 'step'.*predict"),
        ("captioning", {"start": 1}, "decode has no end"),
        ("captioning", {"start": 1, "end": 2, "beam": 0}, "decode.beam is 0, expected 1 to 4096"),
        ("captioning", {"start": 1, "end": 2, "forbidden": ("the",)}, r"decode.forbidden is \('the',\)"),
        ("captioning", {"start": 1, "end": 2, "top_p": 0}, "top_p.*its rules are none"),
        ("detection", {"max_boxes": "many"}, "max_boxes is 'many', expected a number"),
        ("policy", {"policy": "guess"}, "guess.*categorical, values, gaussian"),
        ("policy", {"low": 3}, "decode.low is 3, expected a list of numbers"),
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
