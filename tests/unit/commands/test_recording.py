"""An agent's episodes as rows of arrays."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from kvision.commands import recording, trained
from kvision.core.errors import UsageError
from kvision.data.environments import recorded
from tests.unit.systems.rl import walk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trained.Trained:
    """An agent that walks along its corridor of 3 or 4 cells, by its seed."""
    monkeypatch.setattr(trained, "open_session", lambda found, **options: SimpleNamespace(system=walk.agent(episodes=5)))
    return trained.Trained(tmp_path / "run", tmp_path / "run", "best")


def test_steps_of_the_episodes_that_are_asked_for(run: trained.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out" / "walk.npz"
    recording.run(run, [], file, episodes=3, seed=4)
    assert capsys.readouterr().out == f"3 episodes, 10 steps, mean return 3.33333: {file}\n"
    found = recorded.read(file)
    assert found.returns.tolist() == [3, 4, 3]
    assert found.episode.tolist() == [0] * 3 + [1] * 4 + [2] * 3
    assert found.terminated.nonzero()[0].tolist() == [2, 6, 9]
    recording.run(run, [], file, episodes=1, json_lines=True)
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "episodes": 1, "seed": 0, "steps": 3, "return": 3.0}


def test_what_does_not_go_with_it(run: trained.Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--record writes the steps of episodes to play.npz and nothing else: leave a.png out"):
        recording.run(run, ["a.png"], "play.npz")
    with pytest.raises(UsageError, match=r"nothing else: leave --out out"):
        recording.run(run, [], "play.npz", out=tmp_path)
    with pytest.raises(UsageError, match=r"--record: got play.csv; arrays are written as .npz: use play.npz"):
        recording.run(run, [], "play.csv")
