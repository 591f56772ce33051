"""A real training whose terminal is closed, which sleeps with its laptop, and which Ctrl-C ends, goes on each time from where it was."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kvision import cli
from kvision.engine.checkpoint import Checkpoints

pytestmark = pytest.mark.slow  # each takes TensorFlow's start and a training or two

RECIPE = """
system: segmentation/unet
model: {width: 4, depth: 1}
data: {source: scenes, size_px: 32, batch: 8, train_size: 64, val_size: 10}
train: {epochs: 4000, checkpoint_every_steps: 40}
"""
ON_TERMINAL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
"""Makes the terminal on the standard input that of the process, which is then told when it is closed."""
SOON_S = 300


def command(*words: str) -> list[str]:
    return ["-m", "kvision", *words, "--devices", "cpu"]


def told(run: Path) -> list[dict[str, object]]:
    """The run's events so far."""
    events = run / "events.jsonl"
    return [json.loads(line) for line in events.read_text().splitlines(keepends=True) if line.endswith("\n")] if events.exists() else []


def wait_for_checkpoints(run: Path, count: int) -> None:
    """Returns when so many more were saved."""
    before, until = saved(run), time.monotonic() + SOON_S
    while saved(run) < before + count:
        assert time.monotonic() < until, told(run)[-3:]
        time.sleep(0.05)


def saved(run: Path) -> int:
    return sum(event["event"] == "checkpoint_saved" for event in told(run))


def newest(run: Path) -> int:
    found = Checkpoints(run / "checkpoints").latest_good(pytest.fail)
    assert found is not None
    return found[0].step


class Terminal:
    """A terminal that shows nothing, and a command in it."""

    def __init__(self, *words: str) -> None:
        self._screen, keyboard = pty.openpty()
        streams = {"stdin": keyboard, "stdout": keyboard, "stderr": keyboard}
        self.process = subprocess.Popen([sys.executable, "-c", ON_TERMINAL, *words], start_new_session=True, **streams)
        os.close(keyboard)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(self._screen, 65536):
                pass

    def close(self) -> None:
        """As its window: the kernel tells the process, and then the shell does so once more."""
        os.dup2(os.open(os.devnull, os.O_RDONLY), self._screen)
        self._reader.join(SOON_S)
        self.process.send_signal(signal.SIGHUP)


def test_a_day_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.State, "verbose", False)
    Path("my.yaml").write_text(RECIPE)
    run = tmp_path / "run"
    train = command("train", "my.yaml", "--run-dir", "run", "--resume")

    terminal = Terminal(*train)
    wait_for_checkpoints(run, 10)  # an epoch is over, so that there is a best one
    second = CliRunner().invoke(cli.app, train[2:])
    assert (second.exit_code, f"process {terminal.process.pid}; wait for it" in second.output) == (1, True), second.output
    exported = CliRunner().invoke(cli.app, ["export", "run", "--to", "savedmodel", "--out", "bundle"])
    assert exported.exit_code == 0, exported.output
    terminal.process.send_signal(signal.SIGSTOP)  # the lid is closed
    time.sleep(1)
    asleep = saved(run)
    time.sleep(1)
    assert saved(run) == asleep
    terminal.process.send_signal(signal.SIGCONT)
    wait_for_checkpoints(run, 2)
    terminal.close()
    assert terminal.process.wait(SOON_S) == 128 + signal.SIGHUP
    assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
    steps = [newest(run)]

    process = subprocess.Popen([sys.executable, *train], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_checkpoints(run, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 128 + signal.SIGINT, out + err
    assert "go on with: kvision train my.yaml --run-dir run --devices cpu --resume" in err
    assert "Traceback" not in err
    steps.append(newest(run))
    assert 0 < steps[0] < steps[1]


@pytest.mark.parametrize("loaded", ["libtensorflow_framework", "sklearn"])
def test_ctrl_c_before_the_first_step(loaded: str, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(RECIPE)
    process = subprocess.Popen(
        [sys.executable, *command("train", "my.yaml", "--run-dir", "run")], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    maps, until = Path(f"/proc/{process.pid}/maps"), time.monotonic() + SOON_S
    while loaded not in maps.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SOON_S)
    assert (process.returncode, err) == (130, "interrupted\n"), out
    assert not (tmp_path / "run").exists()


def test_ctrl_c_in_an_export(tmp_path: Path) -> None:
    from tests.unit.commands import conftest

    run = conftest.make(tmp_path / "run", *conftest.OPTIONS)
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    process = subprocess.Popen(
        [sys.executable, "-m", "kvision", "export", str(run), "--to", "all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(15)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 130, out + err
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
