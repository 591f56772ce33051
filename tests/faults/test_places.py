"""Where runs and data may lie, and where not: full and read-only disks, and folders with spaces and letters of any language."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from kvision import cli
from kvision_edge import cli as edge
from tests.faults import mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # each takes TensorFlow's start and a training or two


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds `my.yaml` and its masks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.State, "verbose", False)
    mistakes.masks()
    return tmp_path


@pytest.fixture
def disk(here: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of its own, mounted as the test's parameter says."""
    folder = here / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "none", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def kvision(*words: str) -> str:
    """What a command says, which is right."""
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(what: str) -> list[str]:
    """The parts of what the page of mistakes says."""
    (found,) = [each.said for each in mistakes.rows() if each.what == what]
    return [part.strip() for part in found.split("…") if part.strip()]


@pytest.mark.parametrize("disk", ["size=64k"], indirect=True)
def test_a_full_disk(disk: Path) -> None:
    result = CliRunner().invoke(cli.app, ["train", "my.yaml", "--run-dir", "disk/run", "--devices", "cpu"])
    assert result.exit_code == 1, result.output
    assert all(part in result.output for part in answer("The disk is full")), result.output


@pytest.mark.parametrize("disk", ["ro"], indirect=True)
def test_a_read_only_folder(disk: Path) -> None:
    result = CliRunner().invoke(cli.app, ["train", "my.yaml", "--run-dir", "disk/run", "--devices", "cpu"])
    assert result.exit_code == 1, result.output
    assert all(part in result.output for part in answer("The run's folder is on a read-only disk")), result.output


def test_any_path(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = here / "meine Bilder" / "图片 и größe's"
    folder.mkdir(parents=True)
    for name in ("set", "my.yaml"):
        Path(name).rename(folder / name)
    recipe, run, bundle = (os.path.relpath(folder / name) for name in ("my.yaml", "ein Lauf", "bundle ü"))
    kvision("data", "check", recipe)
    kvision("train", recipe, "--run-dir", run, "--devices", "cpu")
    kvision("eval", run, "--devices", "cpu")
    picture = str(folder / "set" / "images" / "000.png")
    kvision("predict", run, picture, "--out", str(folder / "Vorhersagen 1"), "--devices", "cpu")
    told = json.loads((folder / "Vorhersagen 1" / "predictions.json").read_text(encoding="utf-8"))["images"][0]
    assert told["file"] == picture
    kvision("export", run, "--to", "savedmodel,tflite-fp32", "--out", bundle)
    capfd.readouterr()
    assert edge.main(["run", bundle, picture, "--json"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[0])["classes"]
