"""`data.batch: auto`: up while it fits and pays, down until it fits, by processes that are ended before memory is."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from kvision import catalog
from kvision.core.errors import RunError
from kvision.core.resolved import from_json, to_json
from kvision.core.schema import Chosen
from kvision.engine import fitting, session

MIB = 2**20


def machine(most: int, speed: Any = lambda batch: float(batch)) -> Any:
    """A machine on which up to `most` examples fit, and the sizes that were tried on it."""
    tried: list[int] = []

    def attempt(batch: int) -> fitting.Fit | None:
        tried.append(batch)
        return fitting.Fit(batch, batch * MIB, speed(batch)) if batch <= most else None

    return attempt, tried


@pytest.mark.parametrize(
    ("most", "best", "tried", "why"),
    [
        (100, 64, [16, 32, 64, 128], "128 were too many"),
        (16, 16, [16, 32], "32 were too many"),
        (5, 4, [16, 8, 4], "8 were too many"),
        (1, 1, [16, 8, 4, 2, 1], "2 were too many"),
    ],
)
def test_up_while_it_fits_and_down_until_it_does(most: int, best: int, tried: list[int], why: str) -> None:
    attempt, seen = machine(most)
    found, beyond = fitting.search(attempt)
    assert (found.batch, seen, beyond) == (best, tried, why)


def test_a_larger_batch_must_pay() -> None:
    attempt, _ = machine(10_000, lambda batch: min(batch, 32) + batch / 1000)
    found, beyond = fitting.search(attempt)
    assert found.batch == 32
    assert beyond == "64 was hardly faster, at 32.1 examples/s after 32"


def test_where_nothing_fits_it_says_what_helps() -> None:
    with pytest.raises(RunError, match=r"not even a step of one example fits into memory; use a smaller data\.size_px .* optim\.recompute: true"):
        fitting.search(machine(0)[0])


def test_a_process_is_watched_until_it_answers_ends_or_takes_too_much() -> None:
    eater = "held = []\nwhile True: held.append(b'x' * 2**20)"
    here, there = multiprocessing.Pipe(duplex=False)
    with subprocess.Popen([sys.executable, "-c", eater]) as process:
        try:
            assert fitting._watch(process.pid, here, 150 * MIB) is None
            assert 150 * MIB < psutil.Process(process.pid).memory_info().rss < psutil.virtual_memory().total / 2
        finally:
            process.kill()
    fit = fitting.Fit(8, 5, 2.0)
    there.send(fit)
    assert fitting._watch(os.getpid(), here, 2**60) == fit
    there.close()
    assert fitting._watch(os.getpid(), here, 2**60) is None


def test_the_batch_that_was_found_is_the_run_s_and_the_recipe_s_stays_open() -> None:
    resolved = catalog.load("unet", ["data.batch=auto"])
    assert resolved.recipe.data.batch_is_open
    found = resolved.with_auto({"data.batch": Chosen("because", 8)})
    again = from_json(json.loads(json.dumps(to_json(found))), catalog.sections)
    assert again.values()["data"]["batch"] == "auto"
    assert session.settled(again).data.batch == 8
    assert str(again.origins["data.batch"]) == "auto: because (asked for by command line data.batch=auto)"


LIMITED = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from kvision import cli
cli.main()
"""


@pytest.mark.slow
def test_under_a_limit_on_memory_a_training_takes_a_smaller_batch_and_comes_to_its_end(tmp_path: Path) -> None:
    """Real steps of U-Net at 256 px, 16 of which hold about 2.5 GiB."""
    options = ["data.batch=auto", "data.size_px=256", "data.train_size=32", "data.val_size=2", "train.steps=2"]
    limit = 5 * 2**30
    command = [sys.executable, "-c", LIMITED, str(limit), "train", "unet", *options, "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "trying 16" in done.stderr
    assert "trying 8" in done.stderr
    origin = json.loads((tmp_path / "run" / "resolved.json").read_text())["origins"]["data.batch"]
    assert 1 <= origin["value"] < 16
    assert "were too many" in origin["where"]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < limit
