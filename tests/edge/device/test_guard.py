"""A command that is taken down says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kvision_edge

SCRIPT = """
import os, sys, time
from kvision_edge import guard
def command():
    print("begun", os.getpid(), flush=True)
    {}
raise SystemExit(guard.run(command, "kvision-edge run x"))
"""


def start(body: str) -> subprocess.Popen[str]:
    path = str(Path(kvision_edge.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", SCRIPT.format(body)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return 4", 4, ""),
        ("sys.exit(2)", 2, ""),
        ("os.abort()", 1, "error: kvision-edge run x: the interpreter crashed (SIGABRT); files that `kvision export` made do not do that"),
        ("os.kill(os.getpid(), 11)", 1, "the interpreter crashed (SIGSEGV)"),
        ("os.kill(os.getpid(), 9)", 137, "was ended by SIGKILL, as Linux does where memory runs out"),
    ],
)
def test_exit_codes_pass_and_crashes_are_told(body: str, code: int, said: str) -> None:
    with start(body) as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert said in told
    assert bool(told) == bool(said)


def test_what_ends_the_command_ends_its_child(tmp_path: Path) -> None:
    for number, code in ((signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
        with start("time.sleep(60)") as process:
            assert process.stdout is not None
            child = int(process.stdout.readline().split()[1])
            process.send_signal(number)
            process.wait(10)
        assert process.returncode == code
        for _ in range(100):
            if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]:
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"{number!r} left the child behind")
