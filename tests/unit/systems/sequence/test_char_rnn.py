"""The character model: its loss is that of the step network, its state goes from step to step, and what it writes follows its own rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import RecipeError
from kvision.engine.loop import Loop
from tests.unit.systems.sequence import opened


def batch_of(session: Any) -> dict[str, tf.Tensor]:
    return next(iter(session.pipeline.val()))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_file_that_knows_single_steps_gives_the_same_loss(cell: str) -> None:
    system = opened.session("char_rnn", f"model.cell={cell}", "model.depth=2").system
    text = tf.random.stateless_uniform([2, 13], [1, 2], 4, 60, tf.int32)
    batch = {"text": text, "index": tf.range(2, dtype=tf.int64), "weight": tf.constant([1.0, 1.0])}
    whole, scores = system.eval_step(batch)
    stepwise, others = system.with_networks({"step": lambda *given, **more: system.net(*given, **more)}).eval_step(batch)
    for name in whole:
        assert float(whole[name]) == pytest.approx(float(stepwise[name]), rel=1e-5)
    np.testing.assert_allclose(scores["worst"], others["worst"], rtol=1e-5)


def test_only_the_last_pieces_count_and_filled_up_examples_do_not() -> None:
    session = opened.session("char_rnn")
    batch = batch_of(session)
    sums, _ = session.system.eval_step(batch)
    assert float(sums["tokens"]) == 4 * 8
    half, _ = session.system.eval_step({**batch, "weight": tf.constant([1.0, 1.0, 0.0, 0.0])})
    assert float(half["tokens"]) == 2 * 8
    metrics = session.system.metrics({"nll": np.float64(16 * math.log(4)), "tokens": np.float64(16), "right": np.float64(4)})
    assert metrics == pytest.approx({"loss": math.log(4), "bits_per_piece": 2.0, "perplexity": 4.0, "accuracy": 0.25})


def test_what_comes_later_changes_nothing_before() -> None:
    system = opened.session("char_rnn").system
    text = tf.random.stateless_uniform([1, 8], [3, 4], 4, 60, tf.int32)
    changed = tf.concat([text[:, :5], (text[:, 5:] + 1) % 50 + 4], 1)
    states = system._recurrent.zeros(1)
    first, second = (system._over(each, states, 8)[0] for each in (text, changed))
    np.testing.assert_array_equal(first[:, :5], second[:, :5])
    assert not np.allclose(first[:, 5:], second[:, 5:])


def test_the_state_goes_on_where_a_window_follows_and_begins_anew_where_it_does_not() -> None:
    session = opened.session("char_rnn", training=True)
    system, loop = session.system, Loop(session)
    loop.train(1)
    left = {name: variable.numpy() for name, variable in system.carried().items()}
    follow = next(iter(session.pipeline.train(1)))
    np.testing.assert_array_equal(left["next"], follow["index"])
    read = system._memory.read(follow["index"])
    np.testing.assert_array_equal(read["h_0"], left["h_0"])
    assert np.abs(read["h_0"]).min() > 0
    other = system._memory.read(tf.where(tf.range(4) == 2, follow["index"] + 1, follow["index"]))
    np.testing.assert_array_equal(other["h_0"][2], np.zeros(48))
    np.testing.assert_array_equal(
        other["h_0"][[0, 1, 3]] if isinstance(other["h_0"], np.ndarray) else tf.gather(other["h_0"], [0, 1, 3]), left["h_0"][[0, 1, 3]]
    )


def test_the_state_after_a_step_is_that_of_reading_the_windows_in_one_go() -> None:
    session = opened.session("char_rnn", "optim.lr=1e-12", "optim.warmup_steps=0", training=True)
    system, loop = session.system, Loop(session)
    windows = [batch["text"][:, :-1] for batch in session.pipeline.train(0).take(3)]
    loop.train(3)
    _, states = system._over(tf.concat(windows, 1), system._recurrent.zeros(4), 1)
    for name, value in states.items():
        np.testing.assert_allclose(system.carried()[name], value, atol=1e-5)


def test_two_replicas_remember_what_one_does() -> None:
    held = []
    for devices in ("cpu", "cpu:2"):
        session = opened.session("char_rnn", training=True, devices=devices)
        Loop(session).train(2)
        held.append({name: np.asarray(variable.numpy()) for name, variable in session.system.carried().items()})
    for name, value in held[0].items():
        np.testing.assert_allclose(held[1][name], value, atol=1e-5)


def test_it_writes_on_from_the_prompt() -> None:
    session = opened.session("char_rnn", "model.temperature=0")
    system, text = session.system, batch_of(session)["text"]
    output = system.predict_step(text)
    np.testing.assert_array_equal(output["tokens"][:, :3], text[:, :3])
    written = output["tokens"].numpy()[:, 3:]
    states = system._recurrent.zeros(4)
    token = None
    for place in range(3 + 4 - 1):  # greedy, by hand: what comes is what the step calls likeliest
        token = text[:, place] if place < 3 else tf.constant(written[:, place - 3])
        said = system.net({"token": token, **states})
        states = {name: said[name] for name in states}
        if place >= 2:
            allowed = np.asarray(said["logits"]).copy()
            allowed[:, [0, 1, 3]] = -np.inf
            np.testing.assert_array_equal(written[:, place - 2], allowed.argmax(1))
    page = system.picture(text[0].numpy(), {name: value[0].numpy() for name, value in output.items()}, {})
    assert page.size[0] == 420


def test_micro_batches_can_t_hand_on_a_state() -> None:
    with pytest.raises(RecipeError, match=r"optim\.accumulate: 2 micro-batches can't hand on the state .* use 1 and a smaller data\.batch"):
        opened.session("char_rnn", "optim.accumulate=2")
