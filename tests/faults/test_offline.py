"""Nothing of kvision goes on the network or installs packages unasked: train, eval, predict and export where every attempt is refused and noted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
GUARD = """
import os, sys

def guard(event, args):
    what = None
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):  # not a path, as local sockets have
        what = f"{event} {args[1]}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and args[0] is not None:
        what = f"{event} {args[0]}"
    elif event == "subprocess.Popen" and {"pip", "ensurepip", "conda", "uv", "apt-get"} & {os.path.basename(str(word)) for word in args[1]}:
        what = f"{event} {args[1]}"
    if what is not None:
        with open(os.environ["ATTEMPTS"], "a") as file:
            file.write(what + "\\n")
        raise OSError(f"refused: {what}")

sys.addaudithook(guard)
"""
SCRIPT = """
import functools, sys
from typer.testing import CliRunner
from kvision import cli
from kvision_export.parity import latency

latency.measure = functools.partial(latency.measure, threads=(1,), budget_s=0.0)
for line in sys.argv[1:]:
    done = CliRunner().invoke(cli.app, line.split())
    if done.exit_code:
        sys.exit(f"{line}: {done.exit_code}\\n{done.output}\\n{done.exception!r}")
"""
COMMANDS = ("train classification/softmax --smoke --run-dir run", "eval run", "predict run picture.png", "export run --to tflite-fp32")


def run(tmp_path: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], str]:
    (tmp_path / "guard").mkdir(exist_ok=True)
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    path = os.pathsep.join([str(tmp_path / "guard"), *map(str, (ROOT, ROOT / "export", ROOT / "edge"))])
    environment = {**os.environ, "PYTHONPATH": path, "ATTEMPTS": str(tmp_path / "attempts")}
    done = subprocess.run([sys.executable, "-c", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    attempts = tmp_path / "attempts"
    return done, attempts.read_text() if attempts.exists() else ""


def test_the_guard_sees_a_connection_a_name_and_an_installation_also_in_children(tmp_path):
    child = "import socket; socket.socket().connect(('192.0.2.1', 80))"
    tries = (
        "import socket, subprocess, sys, contextlib\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], stderr=subprocess.DEVNULL)\n"
        "with contextlib.suppress(OSError): socket.create_connection(('example.org', 80))\n"
        "with contextlib.suppress(OSError): subprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])\n"
    )
    done, attempts = run(tmp_path, tries)
    assert done.returncode == 0, done.stderr
    assert [line.split(" ")[0] for line in attempts.splitlines()] == ["socket.connect", "socket.getaddrinfo", "subprocess.Popen"]


def test_a_whole_life_of_a_run_asks_nothing_of_the_network(tmp_path):
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "picture.png")
    done, attempts = run(tmp_path, SCRIPT, *COMMANDS)
    assert (done.returncode, attempts) == (0, ""), done.stderr[-2000:]
    assert list((tmp_path / "run" / "bundle").glob("*.tflite"))
