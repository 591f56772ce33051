"""Agents that can't go on to the bit go on all the same: a real training with actors, or with EnvPool's lanes, is killed and resumed."""

from __future__ import annotations

import csv
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from kvision.engine.checkpoint import Checkpoints
from tests.faults.test_kill import finish, start, wait_for_checkpoints

RECIPE = """
system: rl/dqn
model: {hidden: [16], capacity: 400, learning_starts: 32, minibatch: 16, gradient_steps: 2, n_step: 1, actors: ACTORS}
data: {source: gymnasium, id: CartPole-v1, vectorize: VECTORIZE, envs: 4, batch: 16, steps: 320, episodes: 4}
optim: {name: adam, lr: 1e-3}
train: {epochs: 6, checkpoint_every_steps: 7, seed: 3}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("actors", "vectorize"), [(2, "sync"), (0, "envpool")])
def test_a_killed_training_goes_on(tmp_path: Path, actors: int, vectorize: str) -> None:
    if vectorize == "envpool":
        pytest.importorskip("envpool")
    recipe, run = tmp_path / "agent.yaml", tmp_path / "run"
    recipe.write_text(RECIPE.replace("ACTORS", str(actors)).replace("VECTORIZE", vectorize))
    process = start(recipe, run, "--resume")
    wait_for_checkpoints(process, 4)
    played_by = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=300)
    assert len(played_by) >= actors
    until = time.monotonic() + 120
    while any(Path(f"/proc/{each}").exists() for each in played_by):
        assert time.monotonic() < until, "actors outlived their learner"
        time.sleep(0.5)
    _, before = Checkpoints(run / "checkpoints").latest_good(pytest.fail)
    finish(start(recipe, run, "--resume"))
    found, after = Checkpoints(run / "checkpoints").latest_good(pytest.fail)
    assert found.step == 6 * 320 // 16
    steps = next(name for name in after if name.endswith("play/steps"))
    assert 0 < before[steps] < after[steps] == 6 * 320
    kept = next(name for name in after if name.endswith("replay/observation"))
    assert len(np.unique(after[kept].round(6), axis=0)) > 350  # the buffer is full of steps of their own
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(float(row["val/return"]) > 5 for row in rows)


def _children(pid: int) -> list[int]:
    """Processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for task in tasks for each in task.read_text().split()]
