"""Nothing is lost: a real `kvision train` is killed and terminated at random moments, and ends with the same bits."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from kvision.engine.checkpoint import Checkpoints

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
system: segmentation/unet
model: {width: 8, depth: 1, dropout: 0.2}
data: {source: scenes, size_px: 32, batch: 8, train_size: 64, val_size: 10, augment: {flip_x: 0.5, colour: 0.5}}
optim: {name: adamw, lr: 1e-3, warmup_steps: 5, ema: 0.9}
train: {epochs: 40, checkpoint_every_steps: 3, seed: 7}
"""
FEW = [signal.SIGKILL, signal.SIGTERM]
MANY = [signal.SIGKILL] * 5 + [signal.SIGTERM]


def start(recipe: Path, run_dir: Path, *words: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "kvision",
        "train",
        str(recipe),
        "--run-dir",
        str(run_dir),
        "--devices",
        "cpu",
        "--deterministic",
        "--json",
        *words,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_checkpoints(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        count -= json.loads(line)["event"] == "checkpoint_saved"
        if count == 0:
            return
    pytest.fail(f"ended before the checkpoints were written: {process.communicate()}")


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err


def kill_and_finish(recipe: Path, run_dir: Path, signals: list[signal.Signals]) -> None:
    """Trains with a signal after a random number of checkpoints, again and again, and then to the end."""
    seed = time.time_ns() % 10**6
    rng, steps = random.Random(seed), []
    print(f"seed {seed}")
    for number in signals:
        process = start(recipe, run_dir, "--resume")
        wait_for_checkpoints(process, rng.randint(1, 8))
        time.sleep(rng.uniform(0.0, 0.1))  # anywhere: in a step, in an evaluation, in the writing of a file
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
        assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), out + err
        if number != signal.SIGKILL:
            assert "--resume" in err.rsplit("go on with: ", 1)[1]
            assert json.loads((run_dir / "summary.json").read_text())["status"] == "interrupted"
        found = Checkpoints(run_dir / "checkpoints").latest_good(pytest.fail)
        steps.append(found[0].step if found else 0)
        print(f"{number.name}: resumes from step {steps[-1]}")
    assert steps == sorted(set(steps)), "each process should have got further than the one before it"
    assert steps[-1] < 320, "the last signal came too late to prove anything"
    finish(start(recipe, run_dir, "--resume"))


@pytest.mark.parametrize("signals", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)])
def test_killed_and_resumed_gives_the_same_bits(signals: list[signal.Signals], tmp_path: Path) -> None:
    recipe, uninterrupted, run_dir = tmp_path / "tiny.yaml", tmp_path / "whole", tmp_path / "killed"
    recipe.write_text(RECIPE)
    with ThreadPoolExecutor(1) as beside:  # the run to compare with, while the other is being killed
        whole = beside.submit(finish, start(recipe, uninterrupted))
        kill_and_finish(recipe, run_dir, signals)
        whole.result()
    for file in ("metrics.csv", "checkpoints/step-00000320/state.safetensors"):
        assert (run_dir / file).read_bytes() == (uninterrupted / file).read_bytes(), f"{file} differs"
    assert json.loads((run_dir / "checkpoints/index.json").read_text()) == json.loads((uninterrupted / "checkpoints/index.json").read_text())
