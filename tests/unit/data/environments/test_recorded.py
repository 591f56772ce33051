"""Recorded episodes: what is written is read, and what is wrong with a file is named."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kvision.core.errors import DataError, UsageError
from kvision.data.environments import experts, recorded
from kvision.data.environments.recorded import Recorded
from kvision.data.environments.spaces import Spaces

if TYPE_CHECKING:
    from pathlib import Path

CART_POLE = Spaces((4,), "float32", None, (2,))
EPISODES = Recorded(
    np.arange(20, dtype=np.float32).reshape(5, 4),
    np.array([0, 1, 1, 0, 1], np.int32),
    np.array([1, 2, 4, 8, 16], np.float32),
    np.array([False, False, True, False, False]),
    np.array([False, False, False, False, True]),
    np.array([3, 3, 3, 4, 4]),
)


def arrays(**changed: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(EPISODES), **changed}


def saved(folder: Path, **content: Any) -> Path:
    np.savez(folder / "play.npz", **content)
    return folder / "play.npz"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "play.npz"
    recorded.write(file, EPISODES)
    found = recorded.read(file)
    for key, value in arrays().items():
        np.testing.assert_array_equal(getattr(found, key), value)
        assert getattr(found, key).dtype == value.dtype, key
    assert [path.name for path in file.parent.iterdir()] == ["play.npz"]


def test_episodes_are_told_apart() -> None:
    assert EPISODES.starts.tolist() == [0, 3]
    assert EPISODES.returns.tolist() == [7, 24]
    assert len(EPISODES.first(1)) == 3
    assert EPISODES.first(1).rewards.tolist() == [1, 2, 4]
    assert len(EPISODES.first(9)) == 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rewards": EPISODES.rewards[:3]}, "observations 5, actions 5, rewards 3, .*each holds one row a step"),
        ({"observations": np.where(np.arange(20).reshape(5, 4) == 17, np.nan, 1.0)}, r"observations holds .*nan.* in step 1 of episode 4 \(row 4\)"),
        ({"rewards": np.array([1, 2, np.inf, 8, 16])}, r"rewards holds inf in step 2 of episode 3 \(row 2\); all must be finite"),
        ({"terminated": np.array([0.0, 0, 1, 0, 0])}, "terminated holds float64; bool or whole numbers"),
        ({"truncated": np.zeros((5, 1), bool)}, r"truncated is \[5, 1\]; it must be \[M\]"),
        ({"episode": np.array([3, 3, 3, 2, 2])}, "row 3 belongs to episode 2, the one before to 3"),
        ({"terminated": np.array([True, False, True, False, False])}, r"step 0 of episode 3 \(row 0\) ends the episode, but row 1 still belongs"),
        ({"actions": np.array(["left"] * 5)}, "actions holds <U4; numbers are accepted"),
        ({key: getattr(EPISODES, key)[:0] for key in recorded.KEYS}, "holds no steps"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = saved(tmp_path, **arrays(**changed))
    with pytest.raises(DataError, match=message) as error:
        recorded.read(file)
    assert str(error.value).startswith(str(file))


def test_a_file_that_lacks_arrays_or_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks rewards, truncated; it holds observations, actions, terminated, episode; .*--record FILE.npz"):
        recorded.read(saved(tmp_path, **{key: value for key, value in arrays().items() if key not in ("rewards", "truncated")}))
    with pytest.raises(DataError, match=r"none.npz: can't be read as recorded episodes \(.*No such file"):
        recorded.read(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(DataError, match=r"bad.npz: can't be read as recorded episodes"):
        recorded.read(tmp_path / "bad.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"one.npy: can't be read as recorded episodes \(it holds a single array\)"):
        recorded.read(tmp_path / "one.npy")


def test_episodes_of_another_environment() -> None:
    fitted = recorded.fitting(EPISODES, CART_POLE, "play.npz")
    assert [fitted.observations.dtype.name, fitted.actions.dtype.name] == ["float32", "int32"]
    with pytest.raises(DataError, match=r"play.npz: an observation is \[4\], but data.id shows observations float32 \[6\], 3 actions"):
        recorded.fitting(EPISODES, Spaces((6,), "float32", None, (3,)), "play.npz")
    with pytest.raises(DataError, match=r"an action is int32 \[\], but data.id takes float32 \[1\] \(.*1 continuous actions\)"):
        recorded.fitting(EPISODES, Spaces((4,), "float32", low=(-2.0,), high=(2.0,)), "play.npz")
    with pytest.raises(DataError, match=r"an action is float32 \[\], but data.id takes int32 \[\]"):
        recorded.fitting(dataclasses.replace(EPISODES, actions=EPISODES.rewards), CART_POLE, "play.npz")
    with pytest.raises(DataError, match=r"actions holds 2 in step 1 of episode 4 \(row 4\), but data.id has .* 2 actions, numbered from 0 on"):
        recorded.fitting(dataclasses.replace(EPISODES, actions=np.array([0, 1, 1, 0, 2])), CART_POLE, "play.npz")
    states = dataclasses.replace(EPISODES, observations=np.array([0, 15, 16, 1, 1]))
    with pytest.raises(DataError, match=r"observations holds 16 in step 2 of episode 3 \(row 2\), but data.id has observations 16 states"):
        recorded.fitting(states, Spaces((), "int32", 16, (2,)), "play.npz")
    several = dataclasses.replace(EPISODES, actions=np.array([[0, 2], [0, 1], [1, 3], [0, 0], [1, 1]]))
    with pytest.raises(DataError, match=r"actions holds \[1 3\] in step 2 of episode 3"):
        recorded.fitting(several, Spaces((4,), "float32", None, (2, 3)), "play.npz")


def test_a_scripted_expert_for_another_environment() -> None:
    with pytest.raises(UsageError, match=r"data.expert: scripted knows CartPole-v1; data.id is Acrobot-v1; .*--record FILE.npz"):
        experts.scripted("Acrobot-v1")
