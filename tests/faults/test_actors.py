"""Processes that play for the learner: they fill its buffer, and one that dies, fails or hangs is named while the run stands at its checkpoint."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision import catalog
from kvision.core.errors import DataError, RecipeError, UsageError
from kvision.engine import session
from kvision.engine.loop import Loop
from tests.unit.data.environments import faulty

if TYPE_CHECKING:
    from kvision.engine.session import Session

SMALL = ["data.envs=4", "data.batch=16", "data.steps=320", "data.episodes=2", "model.hidden=[8]", "model.capacity=2000", "model.learning_starts=32"]
SMALL += ["model.minibatch=8", "model.gradient_steps=2", "model.actor_ahead=2"]


def opened(*overrides: str, devices: str = "cpu") -> Session:
    found = catalog.load("rl/dqn", [*SMALL, *overrides] if any("n_step" in each for each in overrides) else [*SMALL, "model.n_step=1", *overrides])
    return session.open_session(found, catalog.system(found.recipe.system), catalog.source(found.recipe.data.source), devices=devices)


def test_two_actors_fill_the_buffer_and_a_dead_one_is_named() -> None:
    found = opened("model.actors=2")
    loop, actors = Loop(found), found.system.collector
    try:
        for end in (10, 40):  # 640 environment steps
            call = loop.train(end)
        assert int(actors.steps) == 640
        kept = found.variables()["carried/replay/observation"].numpy()[:640].reshape(160, 4, 4)
        assert len(np.unique(kept[:, :2].round(6), axis=0)) > 150  # rows differ, and so do the two actors' lanes
        assert not np.array_equal(kept[:, :2], kept[:, 2:])
        led = found.variables()["carried/replay/final_observation"].numpy()[:640].reshape(160, 4, 4)
        over = found.variables()["carried/replay/terminated"].numpy()[:640].reshape(160, 4)
        np.testing.assert_array_equal(led[:-1][~over[:-1]], kept[1:][~over[:-1]])  # rows follow one another on each lane
        assert 0.0 <= call.means["lag"] <= 4.0
        assert 9.0 < call.means["return"] < 60.0
        os.kill(actors.processes[1].pid, signal.SIGKILL)
        with pytest.raises(DataError, match=r"CartPole-v1: actor 1 of 2 died \(exit code -9\)\. The run stands at its last checkpoint; .*--resume"):
            loop.train(80)
    finally:
        actors.close()
    assert not any(process.is_alive() for process in actors.processes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raises", r"actor 0 of 1 failed: .*Faulty-v0, lane \d, step 6 of the episode with seed \d+: .*the wheel fell off"),
        ("hangs", r"actor 0 of 1 gave no rollout within model\.actor_timeout_s=20 s; it hangs"),
        ("dies", r"actor 0 of 1 died \(exit code 1\)"),
    ],
)
def test_an_actor_whose_environment_goes_wrong_says_how(what: str, said: str) -> None:
    environment = [f"data.id={faulty.__name__}:Faulty-v0", f"data.kwargs={{what: {what}, at: 6}}"]
    found = opened("model.actors=1", "model.actor_timeout_s=20", *environment)
    try:
        with pytest.raises(DataError, match=said):
            Loop(found).train(40)
    finally:
        found.system.collector.close()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.actors=3"], r"model\.actors: 3 can't share data\.envs=4 lanes; use a divisor of 4"),
        (["model.actors=2", "model.n_step=3"], r"model\.checkpoint_replay: --resume begins new episodes.*model\.n_step=3"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        opened(*overrides)


def test_several_devices_have_no_actors() -> None:
    with pytest.raises(UsageError, match=r"model\.actors: 2 actors are for one device that learns, and there are 2"):
        opened("model.actors=2", devices="cpu:2")
