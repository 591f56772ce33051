"""Sentences of tables of logits, against loops that can't be wrong."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.ops import decoding
from kvision.ops.decoding import Rules

if TYPE_CHECKING:
    from pathlib import Path

V, LENGTH, CELLS = 6, 3, 97
START, END, UNKNOWN = 1, 2, 3
TABLES = np.random.default_rng(0).normal(0, 1.5, (8, CELLS, V)).astype(np.float32)
"""Logits of each of 8 images after each of 97 hashes of what was said."""


def stepper(tables: np.ndarray) -> decoding.Step:
    """Logits by image and by the hash of all tokens so far; looks at the place of the grid that has the number of the last token."""

    def step(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        cell = (states["cell"] * 31 + token) % CELLS
        return tf.gather_nd(tf.constant(tables), tf.stack([states["image"], cell], 1)), {"cell": cell, "alpha": tf.one_hot(token, V)}

    return step


def begin(images: int = len(TABLES)) -> dict[str, tf.Tensor]:
    return {"image": tf.range(images), "cell": tf.zeros([images], tf.int32)}


def found(rules: Rules, **options: Any) -> decoding.Sentences:
    return tf.function(lambda states: decoding.search(stepper(TABLES), states, rules, **options))(begin())


def log_probabilities(image: int, tokens: tuple[int, ...]) -> np.ndarray:
    """Of every token `[V]` after those said."""
    cell = 0
    for token in (START, *tokens):
        cell = (cell * 31 + token) % CELLS
    logits = TABLES[image, cell].astype(np.float64)
    return logits - np.log(np.exp(logits).sum())


def sentences(image: int, words: tuple[int, ...], most: int = LENGTH) -> dict[tuple[int, ...], float]:
    """The log-probability of every sentence of some words with its end."""
    every = (each for length in range(most + 1) for each in itertools.product(words, repeat=length))
    return {(*said, END): sum(log_probabilities(image, said[:n])[token] for n, token in enumerate((*said, END))) for said in every}


def text(row: Any) -> tuple[int, ...]:
    return tuple(int(token) for token in row if token != decoding.PAD)


def test_a_beam_of_one_takes_the_most_probable_token_each_time() -> None:
    made = found(Rules(START, END, LENGTH))
    assert (made.tokens.shape, made.tokens.dtype) == ((8, 1, LENGTH + 1), tf.int32)
    for image, (row, total) in enumerate(zip(made.tokens[:, 0].numpy(), made.log_probability[:, 0].numpy(), strict=True)):
        said: tuple[int, ...] = ()
        while END not in said:
            values = log_probabilities(image, said)
            values[[decoding.PAD, START]] = -np.inf
            said = (*said, END if len(said) == LENGTH else int(values.argmax()))
        assert text(row) == said
        assert total == pytest.approx(sum(log_probabilities(image, said[:n])[token] for n, token in enumerate(said)), abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_a_beam_as_wide_as_all_sentences_gives_them_in_their_order(alpha: float) -> None:
    made = found(Rules(START, END, LENGTH, beam=150, length_alpha=alpha, nbest=100, forbidden=(UNKNOWN,)))
    for image in range(len(TABLES)):
        every = sentences(image, (4, 5))
        best = sorted(every, key=lambda said: -every[said] / len(said) ** alpha)
        assert [text(row) for row in made.tokens[image].numpy()] == [*best, *[()] * (100 - len(best))]
        np.testing.assert_allclose(made.log_probability[image, : len(best)], [every[said] for said in best], atol=1e-5)
        assert np.all(np.isneginf(made.log_probability[image, len(best) :])), "there are but 15 sentences of two words"


def test_a_wider_beam_is_no_worse_than_greedy_where_it_holds_the_greedy_sentence() -> None:
    greedy, held = found(Rules(START, END, LENGTH)), 0
    for beam in (2, 3, 4):
        made = found(Rules(START, END, LENGTH, beam=beam, nbest=beam))
        assert np.all(np.diff(made.log_probability) <= 0), "the best first"
        survives = np.any(np.all(made.tokens == greedy.tokens, axis=-1), axis=-1)
        held += survives.sum()
        assert np.all(made.log_probability[:, 0] >= np.where(survives, greedy.log_probability[:, 0], -np.inf))
    assert held > 12


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_of_equals_the_first_of_the_beam_and_then_the_lower_number_wins(alpha: float) -> None:
    made = decoding.search(stepper(np.zeros([1, CELLS, V], np.float32)), begin(1), Rules(START, END, 2, beam=4, nbest=4, length_alpha=alpha))
    assert [text(row) for row in made.tokens[0].numpy()] == [(END,), (3, END), (3, 3, END), (3, 4, END)]


def test_what_the_step_gives_beside_states_is_kept_for_each_token() -> None:
    made = found(Rules(START, END, LENGTH, beam=3, nbest=2))
    before = np.concatenate([np.full([8, 2, 1], START), made.tokens[..., :-1]], axis=-1)
    np.testing.assert_array_equal(made.extras["alpha"], np.eye(V)[before] * (made.tokens.numpy() != decoding.PAD)[..., None])


@pytest.mark.parametrize(("length", "expected"), [(0, [4] * 7), (1, [4, 5]), (2, [4, 4, 5, 4]), (3, [4, 4, 4, 5, 4, 4]), (9, [4] * 7)])
def test_no_sequence_of_tokens_comes_twice(length: int, expected: list[int]) -> None:
    tables = np.full([1, CELLS, V], -9, np.float32)
    tables[:, :, [4, 5]] = 2, 1.9
    made = decoding.search(stepper(tables), begin(1), Rules(START, END, 7, no_repeat=length, forbidden=(UNKNOWN,)))
    assert text(made.tokens[0, 0]) == (*expected, END)


def test_draws_have_the_shares_of_the_probabilities_and_are_the_same_again() -> None:
    count, rules = 2000, Rules(START, END, 1, nbest=2000, temperature=1.5, seed=3)
    made = found(rules)
    for image in (0, 5):
        values = np.exp(TABLES[image, START].astype(np.float64) / 1.5)
        values[[decoding.PAD, START]] = 0
        shares = np.bincount(made.tokens[image, :, 0], minlength=V) / count
        np.testing.assert_allclose(shares, values / values.sum(), atol=4 * np.sqrt(0.25 / count))
        expected = [sum(log_probabilities(image, row[:n])[token] for n, token in enumerate(row)) for row in map(text, made.tokens[image, :9].numpy())]
        np.testing.assert_allclose(made.log_probability[image, :9], expected, atol=1e-5, err_msg="without temperature")
    np.testing.assert_array_equal(made.tokens, found(rules).tokens)
    others = found(rules, seeds=tf.constant([0, -1, 2, 3, 4, 5, 6, 7])).tokens.numpy()
    assert [np.array_equal(mine, theirs) for mine, theirs in zip(made.tokens.numpy(), others, strict=True)] == [True, *[False] * 7]


def test_a_nucleus_is_of_the_most_probable_tokens_by_hand() -> None:
    weights = tf.constant([[4.0, 1.0, 3.0, 1.0, 0.0]], tf.float64)
    for share, expected in ((0.4, [4, 0, 0, 0, 0]), (0.5, [4, 0, 3, 0, 0]), (7 / 9, [4, 0, 3, 0, 0]), (0.8, [4, 1, 3, 1, 0])):
        np.testing.assert_array_equal(decoding._nucleus(weights, share)[0], expected)
    drawn = found(Rules(START, END, 1, nbest=300, temperature=1.0, top_p=0.5)).tokens[:, :, 0].numpy()
    for image in range(len(TABLES)):
        values = np.exp(log_probabilities(image, ()))
        values[[decoding.PAD, START]] = 0
        order = np.argsort(-values)
        inside = order[: 1 + int(np.sum(np.cumsum(values[order]) < 0.5 * values.sum()))]
        assert set(drawn[image]) == set(inside)


@pytest.mark.parametrize(
    "rules", [Rules(START, END, 4, beam=3, no_repeat=2, length_alpha=0.7), Rules(START, END, 4, nbest=3, temperature=1.0, top_p=0.9)]
)
def test_a_compiled_graph_an_eager_call_and_a_saved_one_say_the_same(rules: Rules, tmp_path: Path) -> None:
    def whole(image: tf.Tensor, cell: tf.Tensor) -> dict[str, tf.Tensor]:
        made = decoding.search(stepper(TABLES), {"image": image, "cell": cell}, rules)
        return {"tokens": made.tokens, "log_probability": made.log_probability, **made.extras}

    expected = whole(**begin())
    assert expected["tokens"].shape == (8, rules.nbest, 5)
    module = tf.Module()
    any_batch = tf.function(whole).get_concrete_function(*(tf.TensorSpec([None], tf.int32, name) for name in begin()))
    tf.saved_model.save(module, str(tmp_path), signatures=any_batch)
    ways = (
        tf.function(whole)(**begin()),
        tf.function(whole, jit_compile=True)(**begin()),
        tf.saved_model.load(str(tmp_path)).signatures["serving_default"](**begin()),
    )
    for made in ways:
        for name, value in expected.items():
            np.testing.assert_array_equal(made[name], value)
    assert any_batch.structured_outputs["alpha"].shape.as_list() == [None, rules.nbest, 5, V]
    one = tf.function(whole)(tf.constant([6]), tf.constant([0]))
    np.testing.assert_array_equal(one["tokens"][0], expected["tokens"][6], "no other image of the batch matters")


def test_steps_end_with_the_longest_sentence() -> None:
    calls = []

    def ending(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        calls.append(token.shape[0])
        said = states["said"] + 1
        return tf.where((said == states["length"])[:, None], tf.one_hot(END, V) * 50.0, tf.one_hot(4, V) * 50.0), {"said": said}

    for beam in (1, 2):
        calls.clear()
        made = decoding.search(
            ending, {"said": tf.constant([0, 0]), "length": tf.constant([2, 4])}, Rules(START, END, 30, beam=beam, length_alpha=1.0)
        )
        assert [text(row[0]) for row in made.tokens.numpy()] == [(4, END), (4, 4, 4, END)]
        assert calls[0] == 2, "the first step is taken once an image"
    assert calls[1:] == [4] * (len(calls) - 1)
    calls.clear()
    decoding.search(ending, {"said": tf.constant([0, 0]), "length": tf.constant([2, 4])}, Rules(START, END, 30))
    assert calls == [2] * 4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"beam": 3, "temperature": 0.5}, r"temperature=0\.5 draws sentences, beam=3 searches them"),
        ({"beam": 2, "nbest": 5}, "nbest=5 sentences of a beam of 2"),
        ({"forbidden": (3, 2)}, r"end=2 is a token that is never said: .* forbidden \(3, 2\)"),
    ],
)
def test_rules_that_do_not_go_together_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Rules(START, END, LENGTH, **values)
