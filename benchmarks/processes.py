"""Processes of a benchmark that run at once, alone or as the workers of one training over loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from kvision.launch.local import free_addresses


def run(command: list[str], count: int, *, together: bool) -> list[dict[str, Any]]:
    """What each of so many processes says in JSON on its last line.

    Args:
        command: A script and its words; it is given `--addresses`, comma-separated and empty for processes that know nothing of each other, and
            `--index`.
        count: Processes.
        together: Whether they are the workers of one training.

    Returns:
        As many objects, by index.
    """
    addresses = ",".join(free_addresses(count)) if together and count > 1 else ""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    whole = [sys.executable, *command, "--addresses", addresses, "--index"]
    started = [subprocess.Popen([*whole, str(index)], stdout=subprocess.PIPE, text=True, env=environment) for index in range(count)]
    try:
        return [json.loads(process.communicate(timeout=3600)[0].splitlines()[-1]) for process in started]
    finally:
        for process in started:
            process.kill()
