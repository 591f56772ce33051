"""Policies that remember: what is played and learnt step by step, and a task that no other policy solves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.commands import export
from kvision.core.errors import RecipeError, UsageError
from kvision.engine.loop import Loop
from kvision.systems.rl import _play
from tests.unit.systems.rl import learners

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("data.delay=1", "data.envs=4", "data.batch=32", "data.steps=64", "model.recurrent_units=8", "model.hidden=[8]", "model.minibatch=16")


def test_a_sequence_says_what_its_steps_said_and_begins_anew_with_each_episode() -> None:
    agent = learners.opened("recurrent_ppo", *SMALL, "model.recurrent=gru").system
    critic = agent._actor_critic  # type: ignore[attr-defined]
    assert tuple(agent.carried()["play/memory"].shape) == (4, 8)  # checkpoints hold it
    critic.play()  # the second rollout begins in the middle of episodes
    played = critic.play()
    np.testing.assert_array_equal(played["memory"][0] != 0, np.broadcast_to(played["begun"][0][:, None] == 0, [4, 8]))
    ended = (played["terminated"] | played["truncated"]).numpy()
    np.testing.assert_array_equal(played["begun"].numpy()[1:], ended[:-1])
    np.testing.assert_array_equal(played["memory"].numpy()[1:], np.where(ended[:-1, :, None], 0, played["remembered"].numpy()[:-1]))
    data = critic.judged(played, 0.95)
    said, value = critic.said(data)
    np.testing.assert_allclose(critic.distribution.log_prob(said, data["action"]), data["log_prob"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(value, data["value"], rtol=1e-5, atol=1e-6)


def test_minibatches_are_whole_lanes_and_each_comes_once_an_epoch() -> None:
    agent = learners.opened("recurrent_ppo", *SMALL, "model.epochs=2").system
    order = agent._order().numpy().reshape(4, 8, 2)  # type: ignore[attr-defined]  # two epochs of two minibatches of two lanes, T = 8
    np.testing.assert_array_equal(order, order[:, :1] + 4 * np.arange(8)[:, None])
    for epoch in (order[:2], order[2:]):
        assert sorted(epoch[:, 0].ravel()) == [0, 1, 2, 3]
    with pytest.raises(RecipeError, match=r"model\.minibatch: 4 steps are no whole lanes of 8, which model\.recurrent needs; use a multiple of 8"):
        catalog.load("rl/recurrent_ppo", [*SMALL[:-1], "model.minibatch=4"])


def test_a_policy_that_remembers_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = learners.opened("recurrent_ppo", *SMALL).system
    assert agent.not_exported.startswith("model.recurrent: lstm remembers, and exported files take one observation alone")
    assert learners.opened("recurrent_ppo", *SMALL, "model.recurrent=none").system.not_exported == ""
    found = type("Found", (), {"exported": None, "run": tmp_path})
    monkeypatch.setattr(export.trained, "find", lambda *_: found)
    monkeypatch.setattr(export, "_opened", lambda _: type("Subject", (), {"system": agent}))
    with pytest.raises(UsageError, match=r"model\.recurrent: lstm .*data\.frame_stack"):
        export.run(tmp_path)


def recalled(recurrent: str, steps: int) -> float:
    """The share of cues that are recalled after so many engine steps of 1,024 environment steps."""
    session = learners.opened("recurrent_ppo", f"model.recurrent={recurrent}")
    Loop(session).train(steps)
    returns, _ = _play.episodes(session.system.stage(64), session.system, tf.range(64, dtype=tf.int64))  # type: ignore[attr-defined]
    return float(np.mean(returns))


def test_who_remembers_solves_recall() -> None:
    assert recalled("lstm", 30) >= 0.95


@pytest.mark.slow
def test_so_does_a_gru_and_who_does_not_remember_can_but_guess() -> None:
    assert recalled("gru", 30) >= 0.95
    assert recalled("none", 30) <= 0.5
