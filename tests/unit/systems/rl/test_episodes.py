"""What an agent's episodes show: the observations that it comes to, films, and figures of many returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.systems.rl import _play, _visits
from tests.unit.systems.rl import walk

if TYPE_CHECKING:
    from kvision.systems.rl._part import Agent


def on(seen: tf.Tensor) -> tf.Tensor:
    return tf.ones_like(seen[:, 0], tf.int32)


def test_all_observations_of_a_short_while_are_kept_also_beyond_an_episode() -> None:
    found = _visits.visited(walk.Walk(2, 3, 100), _play.Reflex(on), tf.constant([4, 9], tf.int64), each=7).numpy().reshape(2, 7, 2)
    assert found[0, :3].tolist() == [[0, 3], [1, 3], [2, 3]]
    assert found[1, :4].tolist() == [[0, 4], [1, 4], [2, 4], [3, 4]]
    np.testing.assert_array_equal(found[1, 4:, 0], [0, 1, 2])


def test_the_observations_of_a_long_episode_are_drawn_from_all_of_it() -> None:
    found = _visits.visited(walk.Walk(1, 400, 1000), _play.Reflex(on), tf.constant([0], tf.int64), each=40).numpy()[:, 0]
    assert len(set(found)) == 40
    assert found.min() < 60
    assert 300 < found.max() < 400
    assert abs(found.mean() - 200) < 4 * 115 / np.sqrt(40)


def test_an_agent_sees_what_it_comes_to() -> None:
    agent = walk.agent()
    batch = {"seed": tf.constant([2, 3], tf.int64)}
    assert agent.seen(batch).shape == (2, 2)
    found = agent.seen(batch, each=3).numpy()
    assert found.shape == (6, 2)
    assert found[:3, 1].tolist() == [3, 3, 3], "of the first seed"
    assert set(found[3:, 1]) == {4}
    assert agent.predict_step(tf.constant(found))["action"].numpy().tolist() == [1] * 6


def lazy(agent: Agent) -> Agent:
    """The same agent on a network that always stays."""
    return agent.with_networks({"policy": lambda seen, training=False: {"logits": tf.one_hot(tf.zeros_like(seen[:, 0], tf.int32), 2)}})


def test_an_episode_is_filmed() -> None:
    agent = walk.agent()
    made = agent.play(5)
    assert made.facts == {"seed": 5, "return": 4.0, "length": 4, "end": "terminated"}
    film, strip = made.films["episode"], made.pictures["episode"]
    bright = [np.asarray(frame)[0, :, 0].argmax() * 5 // frame.width for frame in film.frames]
    assert (bright, film.fps) == ([0, 1, 2, 3], 10.0)
    assert strip.size == (4 * (200 + 4), 20 + 40 + 4)
    assert agent.play(5).facts == made.facts
    agent.maker.max_steps = 6
    assert lazy(agent).play(4).facts == {"seed": 4, "return": 0.0, "length": 6, "end": "truncated"}, "other networks play for themselves"


def test_an_environment_that_can_not_be_drawn_says_so() -> None:
    agent = walk.agent()
    agent.maker.drawn = False
    with pytest.raises(UsageError, match="walk can't be drawn: run `pip install chalk`"):
        agent.play(0)


def test_many_returns_are_summed_up() -> None:
    agent = walk.agent()
    sums, told = agent.eval_step({"seed": tf.constant([0, 1, 2, 2], tf.int64), "weight": tf.constant([1.0, 1, 1, 0])})
    answers = {name: value.numpy()[:3] for name, value in told.items()}
    metrics, scores = agent.judge(answers)
    assert [metrics[name] for name in ("return", "return_median", "return_max", "solved")] == pytest.approx([10 / 3, 3, 4, 1 / 3])
    assert agent.metrics({name: value.numpy() for name, value in sums.items()}) == {"return": pytest.approx(10 / 3), "length": pytest.approx(10 / 3)}
    assert scores["worst"].tolist() == [3, 4, 3]
    assert {kind: numbers.tolist() for kind, numbers in agent.examples(scores).items()} == {"worst": [0], "typical": [2], "best": [1]}


def test_a_device_is_told_how_to_act() -> None:
    agent = walk.agent()
    assert agent.decoding() == {"output": "logits", "policy": "categorical", "actions": [2]}
    agent.maker.device_id = "Walk-v0"
    assert agent.decoding()["environment"] == "Walk-v0"
