"""An exported policy is proved by the episodes that it plays, and by its actions where the trained network comes to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.data.sources.gymnasium import GymnasiumSource
from kvision.data.sources.gymnasium import Options as GymnasiumOptions
from kvision.systems.rl._part import Agent
from kvision_export.formats import FORMATS
from kvision_export.parity import gates, proof
from kvision_export.subject import Subject
from kvision_export.tflite import calibration
from tests.unit.systems.rl import walk

if TYPE_CHECKING:
    from kvision.data.episodes import EpisodeSource

INT8 = FORMATS["tflite-int8-full"]


def subject(kind: type[Agent], source: EpisodeSource) -> Subject:
    return Subject(walk.session(walk.built(kind, source), source), Path("runs/agent"), Path("runs/agent"), "best", "agent")


@pytest.fixture(scope="module")
def walker() -> Subject:
    return subject(walk.Walker, walk.source(episodes=6, steps=400))


def ends(subject: Subject) -> np.ndarray:
    """Where the goal is, in each validation episode."""
    return np.array([3 + int(subject.session.pipeline.raw("val", number)["seed"]) % 2 for number in range(6)])


def test_a_file_that_acts_alike_loses_nothing(walker: Subject) -> None:
    found = proof.compare(walker, {"predict": lambda inputs: {"logits": np.tile([[0.0, 1.0]], (len(inputs["observation"]), 1))}}, proof.refer(walker))
    assert (found.metric, found.reference, found.drop, found.agreement, found.examples) == ("return", ends(walker).mean(), 0.0, 1.0, 6)


def test_a_file_that_stays_before_the_goal_loses_a_share_of_the_return(walker: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def shy(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        stays = inputs["observation"][:, 0] == 2
        return {"logits": np.stack([stays, ~stays], axis=1).astype(np.float32)}

    monkeypatch.setattr(proof, "DECISIONS", 6 * 12)  # whole episodes of three and of four steps
    found = proof.compare(walker, {"predict": shy}, proof.refer(walker))
    assert found.value == 2.0
    assert found.drop == pytest.approx(1 - 2 / ends(walker).mean())
    assert found.agreement == pytest.approx(1 - np.mean(1 / ends(walker)))
    assert len(found.differing) == 6
    (lost, decided) = gates.judge(found, INT8, walker.system.gates)
    assert f"return falls from {found.reference:.4f} to 2.0000, by {100 * found.drop:.2f} points, where 2.00 are allowed" in lost
    assert f"only {found.agreement:.2%} of its decisions are the network's, where 98.00% are asked for" in decided


def test_how_many_decisions_may_differ_can_be_said() -> None:
    changed = gates.overrides(["decisions=10", "quantized=5"])
    assert changed["decisions"] == pytest.approx(0.1)
    found = proof.Proof({}, "return", 500.0, 480.0, 0.04, 0.924)
    assert gates.judge(found, INT8, Agent.gates, changed=changed) == []
    assert len(gates.judge(found, INT8, Agent.gates)) == 2
    with pytest.raises(UsageError, match=r"--gate decision=1: expected KIND=POINTS with one of .*decisions"):
        gates.overrides(["decision=1"])


def test_ranges_are_measured_where_the_agent_comes_to_in_training_s_episodes(walker: Subject) -> None:
    chosen = calibration.choose(walker, 50)
    seen = chosen.inputs["predict"]["observation"]
    assert (seen.shape, len(chosen.names), chosen.shared) == ((50, 2), calibration.EPISODES, ())
    assert set(seen[:, 1]) == {3.0}, "seeds of the training are multiples of four, and have the goal at 3"
    assert set(seen[:, 0]) == {0.0, 1.0, 2.0}
    assert chosen.to_json()["ranges"] == {"predict": {"observation": [0.0, 3.0]}}


class Balancer(Agent):
    """Pushes to where the pole falls."""

    Options = GymnasiumOptions

    def build(self) -> dict[str, keras.Model]:
        seen = keras.Input([4], name="observation")
        head = keras.layers.Dense(2, use_bias=False, name="logits")
        policy = keras.Model(seen, {"logits": head(seen)}, name="policy")
        head.set_weights([np.array([[0, 0], [0, 0], [-10, 10], [-5, 5]], np.float32)])
        return {"policy": policy}

    def train_step(self, batch: Any, updates: Any) -> Any:
        raise AssertionError("not trained here")


def test_an_environment_on_the_host_is_not_played_by_two_at_once() -> None:
    options = GymnasiumOptions(id="CartPole-v1", episodes=5, max_episode_steps=60)
    agent = subject(Balancer, GymnasiumSource(options, seed=0, base=Path()))
    weights = agent.system.net.get_weights()[0]
    found = proof.compare(agent, {"predict": lambda inputs: {"logits": inputs["observation"] @ weights}}, proof.refer(agent))
    assert (found.reference, found.value, found.agreement) == (60.0, 60.0, 1.0), "with two at once episodes would last for longer"
    assert agent.system.decoding() == {"output": "logits", "policy": "categorical", "actions": [2]}, "its time limit is not Gymnasium's"
