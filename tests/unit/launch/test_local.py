"""Workers as processes: real ones, in place of trainings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from kvision.launch import local

if TYPE_CHECKING:
    from pathlib import Path

LAUNCH = "import sys; from kvision.launch import local; sys.exit(local.run(sys.argv[2:], int(sys.argv[1])))"
WORKER = """
import os, pathlib, signal, sys, time
folder, index = pathlib.Path(sys.argv[1]), int(sys.argv[-1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
(folder / f"{index}.words").write_text(" ".join(sys.argv[2:]))
(folder / f"{index}.pid").write_text(str(os.getpid()))
print("here is", index, flush=True)
code = (folder / "code")
while not code.exists():
    time.sleep(0.02)
code, stubborn = code.read_text().split()
if index == 1:
    sys.exit(int(code))
if stubborn == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(0 if code == "0" else 0.3 if code == "3" else 60)
"""


class Launched:
    """A launcher of three workers that wait until they are told how to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "worker.py").write_text(WORKER)
        command = [sys.executable, "-c", LAUNCH, "3", sys.executable, str(folder / "worker.py"), str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pids = [self._pid(index) for index in range(3)]

    def _pid(self, index: int) -> int:
        path, end = self.folder / f"{index}.pid", time.monotonic() + 60
        while not (path.exists() and path.read_text()):
            assert time.monotonic() < end, "it did not start"
            time.sleep(0.02)
        return int(path.read_text())

    def tell(self, code: int, manner: str = "mild") -> None:
        (self.folder / "new").write_text(f"{code} {manner}")
        (self.folder / "new").rename(self.folder / "code")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        assert not [pid for pid in self.pids if running(pid)], "a worker is left over"
        return self.process.returncode, out, err


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def launched(tmp_path: Path) -> Launched:
    return Launched(tmp_path)


def test_all_end_well_and_the_chief_alone_writes_to_stdout(launched: Launched) -> None:
    launched.tell(0)
    code, out, err = launched.end()
    assert (code, out) == (0, "here is 0\n")
    assert sorted(err.splitlines()) == ["worker 1: here is 1", "worker 2: here is 2"]
    words = [(launched.folder / f"{index}.words").read_text().split() for index in range(3)]
    addresses = words[0][1].split(",")
    assert len({address.removeprefix("127.0.0.1:") for address in addresses}) == 3
    assert words == [["--workers", ",".join(addresses), "--worker", str(index)] for index in range(3)]


@pytest.mark.parametrize(("manner", "limit_s"), [("mild", local.GRACE_S), ("stubborn", local.GRACE_S + 5)])
def test_when_one_is_killed_the_others_are_ended(launched: Launched, manner: str, limit_s: float) -> None:
    if manner == "stubborn":
        launched.tell(1, manner)
        began = time.monotonic()
        what = f"error: worker 1 (process {launched.pids[1]}) ended with exit code 1; the others can't go on without it and are ended"
    else:
        began = time.monotonic()
        os.kill(launched.pids[1], signal.SIGKILL)
        what = f"error: worker 1 (process {launched.pids[1]}) was killed by SIGKILL; the others can't go on without it and are ended"
    code, _, err = launched.end()
    assert code == (1 if manner == "stubborn" else 128 + signal.SIGKILL)
    assert what in err
    assert time.monotonic() - began < limit_s


def test_workers_that_end_together_are_left_to_it(launched: Launched) -> None:
    launched.tell(3)  # diverged: the chief is a little longer about it, for it writes a report
    code, _, err = launched.end()
    assert code == 3
    assert "error" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_go_on_to_every_worker(launched: Launched, number: signal.Signals) -> None:
    launched.process.send_signal(number)
    assert launched.end()[0] == 128 + number


def test_none_is_left_when_the_launcher_itself_is_killed(launched: Launched) -> None:
    launched.process.kill()
    launched.process.communicate()
    end = time.monotonic() + 10
    while any(running(pid) for pid in launched.pids):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_command_that_goes_on() -> None:
    assert local.command_line(["my unet.yaml", "train.epochs=3"], 2) == "kvision launch --workers 2 'my unet.yaml' train.epochs=3 --resume"
    assert local.command_line(["unet", "--resume"], 4) == "kvision launch --workers 4 unet --resume"
