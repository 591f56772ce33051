"""A worker is lost, or a launched training is told to stop: real processes over the loopback, and the same bits in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from kvision.engine.checkpoint import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
RECIPE = """
system: segmentation/unet
model: {width: 8, depth: 1, dropout: 0.2}
data: {source: scenes, size_px: 32, batch: 8, train_size: 64, val_size: 10, augment: {flip_x: 0.5, colour: 0.5}}
optim: {name: adamw, lr: 1e-3, warmup_steps: 5, ema: 0.9}
train: {epochs: 8, checkpoint_every_steps: 3, seed: 7}
"""
LAST = "step-00000064"


def launch(recipe: Path, run_dir: Path, workers: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kvision", "launch", "--workers", str(workers), str(recipe)]
    options = ["--run-dir", str(run_dir), "--devices", "cpu", "--deterministic", "--json", "--resume"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def at_work(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The workers, in their order, after some checkpoints."""
    left = 3
    assert process.stdout is not None
    for line in process.stdout:
        left -= json.loads(line)["event"] == "checkpoint_saved"
        if left == 0:
            break
    found = psutil.Process(process.pid).children()
    assert left == 0, process.communicate()
    return sorted(found, key=lambda worker: worker.cmdline()[worker.cmdline().index("--worker") + 1])


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, out + err


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def test_killed_and_launched_again_gives_the_same_bits(recipe: Path, tmp_path: Path) -> None:
    uninterrupted, run_dir = tmp_path / "whole", tmp_path / "killed"
    with ThreadPoolExecutor(1) as beside:
        whole = beside.submit(finish, launch(recipe, uninterrupted))
        process = launch(recipe, run_dir)
        killed = at_work(process)[1]
        began = time.monotonic()
        killed.kill()
        _, err = process.communicate(timeout=600)
        print(f"the chief ended {time.monotonic() - began:.1f} s after worker 1 was killed")
        assert process.returncode == 128 + signal.SIGKILL, err
        assert f"error: worker 1 (process {killed.pid}) was killed by SIGKILL; the others can't go on without it and are ended" in err
        assert "go on with: kvision launch --workers 2" in err
        finish(launch(recipe, run_dir))
        whole.result()
    for file in ("metrics.csv", f"checkpoints/{LAST}/state.safetensors"):
        assert (run_dir / file).read_bytes() == (uninterrupted / file).read_bytes(), f"{file} differs"


def test_sigterm_saves_and_another_number_of_workers_goes_on_with_the_same_examples(recipe: Path, tmp_path: Path) -> None:
    process = launch(recipe, tmp_path / "run")
    at_work(process)
    process.terminate()
    out, err = process.communicate(timeout=600)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    saved = json.loads((tmp_path / "run/checkpoints/index.json").read_text())["last"]
    assert load(tmp_path / "run/checkpoints" / saved)[0].meta["reason"] == "signal"
    one = launch(recipe, tmp_path / "run", workers=1)
    finish(one)
    finish(launch(recipe, tmp_path / "whole", workers=1))
    (both, _), (alone, _) = (load(tmp_path / name / "checkpoints" / LAST) for name in ("run", "whole"))
    assert both.meta["fingerprint"] == alone.meta["fingerprint"]
    assert both.meta["metrics"]["train/loss"] == pytest.approx(alone.meta["metrics"]["train/loss"], rel=1e-4)


def test_a_worker_that_hangs_is_named(recipe: Path, tmp_path: Path) -> None:
    process = launch(recipe, tmp_path / "run")
    hung = at_work(process)[1]
    began = time.monotonic()
    os.kill(hung.pid, signal.SIGSTOP)
    _, err = process.communicate(timeout=600)
    print(f"found {time.monotonic() - began:.1f} s after worker 1 was stopped")
    assert process.returncode not in (0, None)
    assert "worker 1 (127.0.0.1:" in err
    assert not hung.is_running()
