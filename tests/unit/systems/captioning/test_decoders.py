"""Each decoder says the same step by step and along whole sentences, and nothing of what comes later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.systems.captioning import _training
from kvision.systems.captioning._part import Captioner
from tests.unit.systems.captioning import examples

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("show_attend_tell", {}),
    ("show_attend_tell", {"attention": "hard"}),
    ("show_attend_tell", {"query": "word"}),
    ("show_attend_tell", {"window": 2.0, "encoder": {"filters": (4, 6), "positions": "learned", "squeeze_excite": 3}}),
    ("show_tell", {"cell": "lstm", "num_layers": 2}),
    ("show_tell", {"cell": "gru"}),
    ("show_tell", {"cell": "rnn"}),
    ("rnn_captioner", {}),
    ("rnn_captioner", {"picture_once": True}),
    ("transformer_captioner", {}),
    ("transformer_captioner", {"positions": "learned"}),
]


def states(system: Captioner, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return _training.repeated(system.encode(batch["image"]), examples.REFERENCES)


def along(system: Captioner, states: dict[str, tf.Tensor], tokens: tf.Tensor) -> dict[str, np.ndarray]:
    """Step by step, `[T, N, ...]`."""
    found: list[dict[str, tf.Tensor]] = []
    for time in range(tokens.shape[1]):
        logits, given = system.step(tokens[:, time], states)
        states = states | {name: given[name] for name in system.changing}
        found.append({"logits": logits} | {name: given[name] for name in given if name not in states})
    return {name: np.stack([each[name] for each in found]) for name in found[0]}


@pytest.mark.parametrize(("name", "model"), KINDS)
def test_steps_and_whole_sentences_say_the_same_and_see_nothing_of_what_follows(name: str, model: dict[str, Any]) -> None:
    system, batch = examples.captioner(name, **model), examples.batch()
    tokens = tf.reshape(batch["tokens"], [-1, examples.LENGTH + 2])[:, :-1]
    first = states(system, batch)
    whole, steps = system.decoder.sequence(first, tokens), along(system, first, tokens)
    np.testing.assert_allclose(whole.logits, steps["logits"], atol=1e-5)
    assert system.attends == (whole.alpha is not None) == ("alpha" in steps)
    if whole.alpha is not None:
        np.testing.assert_allclose(whole.alpha, steps["alpha"], atol=1e-5)
        np.testing.assert_allclose(np.sum(whole.alpha, axis=-1), 1.0, rtol=1e-5)
    later = tf.concat([tokens[:, :3], (tokens[:, 3:] + 4) % 11], axis=1)
    other = system.decoder.sequence(first, later)
    np.testing.assert_allclose(other.logits[:3], whole.logits[:3], rtol=0, atol=1e-7)
    assert np.abs(other.logits[3:] - whole.logits[3:]).max() > 1e-3


@pytest.mark.parametrize(("name", "model"), [each for each in KINDS if "attention" not in each[1]])
def test_gradients_along_whole_sentences_are_those_of_the_steps(name: str, model: dict[str, Any]) -> None:
    system, batch = examples.captioner(name, **model), examples.batch()
    variables = [variable.value for variable in system.trainables()["net"]]

    def gradients(loss: Any) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            value = loss()
        return [np.asarray(tf.convert_to_tensor(each)) for each in tape.gradient(value, variables)]

    def by_steps() -> tf.Tensor:
        costs, tokens = _training.walk(system, system.encode(batch["image"], training=True), batch["tokens"])
        return tf.reduce_sum(costs) / tf.reduce_sum(tokens)

    whole = gradients(lambda: tf.reduce_mean(_training.losses(system, batch, _training.scale(system, batch["tokens"]))))
    for variable, ours, plain in zip(system.trainables()["net"], whole, gradients(by_steps), strict=True):
        np.testing.assert_allclose(ours, plain, atol=2e-5 * max(1.0, np.abs(plain).max()), err_msg=variable.path)


def test_the_plain_recurrent_captioner_is_its_formula() -> None:
    system, batch = examples.captioner("rnn_captioner"), examples.batch()
    first = system.encode(batch["image"])
    decoder, token = system.decoder, tf.constant([4, 5, 6, 7])
    layer = decoder.layers[0].cell
    x = np.asarray(decoder.tokens)[token.numpy()]
    expected = np.tanh(x @ np.asarray(layer.kernel) + np.asarray(layer.bias) + np.asarray(first["picture"]))
    np.testing.assert_allclose(system.step(token, first)[1]["h0"], expected, rtol=1e-5)


def test_hard_attention_draws_in_training_and_takes_the_most_probable_place_else() -> None:
    system, batch = examples.captioner(attention="hard"), examples.batch()
    tokens, first = tf.reshape(batch["tokens"], [-1, examples.LENGTH + 2])[:, :-1], states(system, batch)
    drawn = [system.decoder.sequence(first, tokens, training=True).chosen for _ in range(2)]
    for each in drawn:
        assert each is not None
        np.testing.assert_array_equal(np.sort(each, axis=-1)[..., -2:], np.broadcast_to([0.0, 1.0], (*each.shape[:2], 2)))
    assert np.any(drawn[0] != drawn[1])
    assert system.decoder.sequence(first, tokens).chosen is None


def test_the_last_word_decides_where_it_looks_only_if_asked() -> None:
    batch = examples.batch()
    for query, moves in (("state", False), ("word", True)):
        system = examples.captioner(query=query)
        first = system.encode(batch["image"])
        one, other = (system.step(tf.fill([4], token), first)[1]["alpha"].numpy() for token in (4, 5))
        assert np.any(np.abs(one - other) > 1e-6) == moves


def test_local_attention_hardly_looks_outside_of_its_window() -> None:
    wide, narrow = (examples.captioner(window=window) for window in (100.0, 0.5))
    batch = examples.batch()
    tokens = tf.fill([4], 1)
    shares = [system.step(tokens, system.encode(batch["image"]))[1]["alpha"].numpy().max() for system in (wide, narrow)]
    assert shares[0] < 0.3 < 0.6 < shares[1]
