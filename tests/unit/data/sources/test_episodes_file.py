"""Recorded episodes as a source: of a file, or of the scripted expert, which must be worth imitating."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from kvision.core.errors import DataError, UsageError
from kvision.data.environments import experts, playing, recorded
from kvision.data.environments.environment import first_seeds
from kvision.data.pipeline import Pipeline
from kvision.data.sources import episodes_file

FIELDS = frozenset({"seed", "observation", "action"})


def source(base: Path = Path(), **options: Any) -> episodes_file.EpisodesFile:
    return episodes_file.EpisodesFile(episodes_file.Options(**{"id": "CartPole-v1", "batch": 4, "episodes": 3, **options}), seed=0, base=base)


@pytest.fixture(scope="module")
def play() -> recorded.Recorded:
    """Two episodes that end by falling, and one that is cut off: always pushing to the left, or by the expert."""
    maker = source(expert="scripted", max_episode_steps=12).maker()
    seeds = first_seeds("train", 7, 3)

    def policy(observation: np.ndarray) -> np.ndarray:
        return np.where([False, True, False], experts.cart_pole(observation), 0)

    return playing.play(maker, policy, seeds)


def test_what_is_played_is_recorded_as_the_environment_has_it(play: recorded.Recorded) -> None:
    import gymnasium

    assert play.episode[play.starts].tolist() == [0, 1, 2]
    assert play.returns[1] == 12
    assert all(play.returns[[0, 2]] < 12)
    for number, seed in enumerate(first_seeds("train", 7, 3)):
        env = gymnasium.make("CartPole-v1", max_episode_steps=12)
        observation, _ = env.reset(seed=int(seed))
        rows = np.flatnonzero(play.episode == number)
        for row in rows:
            np.testing.assert_allclose(play.observations[row], observation, atol=1e-6)
            observation, reward, terminated, truncated, _ = env.step(int(play.actions[row]))
            assert (reward, terminated, truncated) == (play.rewards[row], play.terminated[row], play.truncated[row])
        assert terminated or truncated


def test_the_scripted_expert_balances_the_pole() -> None:
    found = source(expert="scripted", demonstrations=5)
    assert found.recorded.returns.tolist() == [500.0] * 5
    assert found.report()["mean_return"] == 500.0
    assert found.report()["demonstrations"] == "scripted expert for CartPole-v1, written by hand"
    assert found.report()["num_demonstrations"] == 5


def test_steps_of_a_file_come_in_batches_and_episodes_are_left_to_be_played(play: recorded.Recorded, tmp_path: Path) -> None:
    recorded.write(tmp_path / "play.npz", play)
    found = source(tmp_path, path="play.npz", demonstrations=2)
    first_two = play.first(2)
    pipeline = Pipeline(found, found.options, FIELDS, seed=1)  # type: ignore[arg-type]  # options of another kind than pictures
    assert pipeline.num_train == len(first_two) < len(play)
    batch = next(iter(pipeline.train(0)))
    index = batch["index"].numpy()
    np.testing.assert_array_equal(batch["observation"], first_two.observations[index])
    np.testing.assert_array_equal(batch["action"], first_two.actions[index])
    assert pipeline.name("train", len(first_two) - 1) == "CartPole-v1/episode 1/step 11"
    val = next(iter(pipeline.val()))
    assert val["seed"].numpy()[:3].tolist() == first_seeds("val", 1, 3).tolist()
    assert val["weight"].numpy()[:3].tolist() == [1, 1, 1]
    assert float(tf.reduce_sum(val["weight"])) == 3


def test_an_epoch_may_be_longer_than_what_was_recorded(play: recorded.Recorded, tmp_path: Path) -> None:
    recorded.write(tmp_path / "play.npz", play)
    split = source(tmp_path, path="play.npz", steps=3 * len(play)).split("train")
    assert len(split) == 3 * len(play)
    again = split.read(tf.constant([5, 5 + len(play), 5 + 2 * len(play)], tf.int64), FIELDS)
    np.testing.assert_array_equal(again["observation"], np.repeat(play.observations[5:6], 3, axis=0))


def test_neither_or_both_of_file_and_expert() -> None:
    with pytest.raises(ValidationError, match=r"neither data.path nor data.expert is given; give data.path=FILE.npz"):
        source()
    with pytest.raises(ValidationError, match=r"got path=a.npz and expert=scripted; give"):
        source(path="a.npz", expert="scripted")


def test_no_expert_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scripted knows CartPole-v1; data.id is Acrobot-v1"):
        source(id="Acrobot-v1", expert="scripted").split("train")
    with pytest.raises(DataError, match=r"lost.npz: can't be read as recorded episodes"):
        source(tmp_path, path="lost.npz").split("train")


def test_episodes_of_another_environment(play: recorded.Recorded, tmp_path: Path) -> None:
    recorded.write(tmp_path / "play.npz", play)
    with pytest.raises(DataError, match=r"play.npz: an observation is \[4\], but data.id shows observations float32 \[6\], 3 actions"):
        source(tmp_path, id="Acrobot-v1", path="play.npz").split("train")
