from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from kvision.report import alive, folder
from tests.unit import run_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def training() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing for long."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def running(path: Path, lock: str, silent_s: float) -> folder.RunFolder:
    """A run that says that it runs, whose events were last written so long ago."""
    run_folders.make(path, status="running", evaluated=False)
    (path / ".lock").write_text(lock)
    os.utime(path / "events.jsonl", (time.time() - silent_s,) * 2)
    return folder.read(path)


def test_a_run_is_running_while_its_process_lives_and_killed_after_it(tmp_path: Path, training: subprocess.Popen[bytes]) -> None:
    run = running(tmp_path / "a", str(training.pid), silent_s=3600)
    assert alive.status(run) == "running"
    training.kill()
    training.wait()
    assert alive.status(run) == "killed"


def test_a_number_that_another_process_has_now_is_no_sign_of_life(tmp_path: Path, training: subprocess.Popen[bytes]) -> None:
    run = running(tmp_path / "a", str(training.pid), silent_s=3600)
    os.utime(run.path / ".lock", (time.time() - 3600,) * 2)  # written before the process began
    assert alive.status(run) == "killed"


@pytest.mark.parametrize("lock", ["", "no number", "99999999999999999999"])
def test_a_training_elsewhere_gives_signs_of_life_by_what_it_writes(tmp_path: Path, lock: str) -> None:
    assert alive.status(running(tmp_path / "a", lock, silent_s=5)) == "running"
    assert alive.status(running(tmp_path / "b", lock, silent_s=60)) == "killed"


def test_what_a_run_says_at_its_end_stands(tmp_path: Path) -> None:
    assert alive.status(folder.read(run_folders.make(tmp_path / "a", status="diverged"))) == "diverged"
    (tmp_path / "a" / "summary.json").write_text(json.dumps({"status": "finished"}))
    assert alive.status(folder.read(tmp_path / "a")) == "finished"
