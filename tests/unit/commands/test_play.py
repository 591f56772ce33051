"""An agent is evaluated on episodes, and plays them for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from kvision import catalog
from kvision.commands import evaluate, play, predict, trained
from kvision.core.errors import RunError, UsageError
from kvision.engine import evaluation, film
from tests.unit.systems.rl import walk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trained.Trained:
    """An agent that walks along its corridor; its session is made without a run folder."""
    source = walk.source(episodes=5)
    session = walk.session(walk.built(walk.Walker, source), source)
    monkeypatch.setattr(trained, "open_session", lambda found, **options: session)
    monkeypatch.setattr(film, "has_mp4", lambda: False)
    return trained.Trained(tmp_path / "run", tmp_path / "run", "best")


def test_films_and_returns(run: trained.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play.run(run, [], episodes=2, seed=4, out=tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "seed 4: return 3, 3 steps, terminated", "seed 5: return 4, 4 steps, terminated", f"2 episodes, mean return 3.5: {tmp_path / 'out'}",
    ]  # fmt: skip
    assert lines[3] == "films are GIFs; with `pip install imageio-ffmpeg` they are written as MP4, too"
    told = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert told["episodes"][1] == {
        "episode": "seed-5.episode.png", "gif": "seed-5.gif", "seed": 5, "return": 4.0, "length": 4, "end": "terminated",
    }  # fmt: skip
    with Image.open(tmp_path / "out" / "seed-5.gif") as found:
        assert found.n_frames == 4
    with pytest.raises(RunError, match="holds files"):
        play.run(run, [], out=tmp_path / "out")


def test_an_agent_takes_no_files(run: trained.Trained) -> None:
    with pytest.raises(UsageError, match=r"a\.png: an agent plays in its environment and takes no files"):
        play.run(run, ["a.png"])


def test_what_can_not_be_drawn_leaves_no_folder(run: trained.Trained, tmp_path: Path) -> None:
    trained.open_session(run).system.maker.drawn = False
    with pytest.raises(UsageError, match="pip install chalk"):
        play.run(run, [], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_evaluation_shows_the_worst_a_typical_and_the_best_episode(run: trained.Trained, tmp_path: Path) -> None:
    session = trained.open_session(run)
    found = evaluation.write(session, tmp_path / "out", films=True)
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [each["kind"] for each in told["examples"]] == ["worst", "typical", "best"]
    for each in told["examples"]:
        seed = int(session.pipeline.raw("val", [session.pipeline.name("val", n) for n in range(5)].index(each["name"]))["seed"])
        assert each["score"] == 3 + seed % 2 == each["length"]
        assert (tmp_path / "out" / each["picture"]).is_file()
        with Image.open(tmp_path / "out" / each["gif"]) as gif:
            assert gif.n_frames == each["length"]
    assert found.metrics["return"] == told["metrics"]["return"]
    assert found.metrics["return_low"] <= found.metrics["return"] <= found.metrics["return_high"]


def test_an_evaluation_without_films_shows_what_is_seen(run: trained.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = trained.open_session(run)
    session.system.maker.drawn = False
    evaluation.write(session, tmp_path / "out", films=True)
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert all("gif" not in each and (tmp_path / "out" / each["picture"]).is_file() for each in told["examples"])
    assert capsys.readouterr().err.count("no films: walk can't be drawn") == 1


def test_an_evaluation_is_told_with_its_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"return": 475.0, "return_low": 460.5, "return_high": 490.0, "length": 475.0}
    evaluate._show(evaluation.Evaluation(metrics, {}, {}), ())
    assert "475.0000 (460.5000 to 490.0000)" in capsys.readouterr().out


def test_only_agents_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "find", lambda source, weights: trained.Trained(tmp_path, tmp_path, "best"))
    monkeypatch.setattr(catalog, "from_run", lambda run: catalog.load("unet"))
    with pytest.raises(UsageError, match=r"--episodes, --seed and --record are for agents; .* takes image: leave them out"):
        predict.run(tmp_path, ["a.png"], seed=3)
