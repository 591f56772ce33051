"""Stands in for the package trackio: writes what it is told to calls.jsonl, and does what FAULT says: offline, raise, hang, hang_deaf."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

FAULT = os.environ.get("FAULT", "")


def init(project, **options):
    if FAULT == "offline":
        raise ConnectionError("api.example.org: no route to host")
    _call("init", project, options)
    return types.SimpleNamespace(name=options["name"], log=log, finish=finish)


def log(values, step=None):
    if FAULT == "raise" and step == 10:
        raise ValueError("quota exceeded")
    _call("log", step, values)


def finish():
    _call("finish", "", {})
    if FAULT == "hang_deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if FAULT.startswith("hang"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        _call("child", child.pid, {})
        time.sleep(600)


def _call(name, first, rest):
    with Path(os.environ["CALLS"]).open("a") as file:
        file.write(json.dumps([name, first, rest]) + "\n")
