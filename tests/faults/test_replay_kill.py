"""A replay buffer in files outlives its process: a real training of DQN is killed again and again, and ends with the same bits."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision.engine.checkpoint import Checkpoints
from tests.faults.test_kill import finish, start, wait_for_checkpoints

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
system: rl/dqn
model: {hidden: [16], capacity: 160, learning_starts: 32, minibatch: 16, gradient_steps: 2, n_step: 3, prioritised: true, replay: WHERE}
data: {source: gymnasium, id: CartPole-v1, envs: 4, batch: 16, steps: 320, episodes: 4}
optim: {name: adam, lr: 1e-3}
train: {epochs: 12, checkpoint_every_steps: 7, seed: 3}
"""
KILLS = 3


def recipe(folder: Path, where: str) -> Path:
    path = folder / f"{where}.yaml"
    path.write_text(RECIPE.replace("WHERE", where))
    return path


@pytest.mark.slow
def test_a_killed_training_with_its_buffer_in_files_is_that_of_one_that_was_left_alone_and_had_it_in_memory(tmp_path: Path) -> None:
    finish(start(recipe(tmp_path, "memory"), tmp_path / "whole"))
    seed = time.time_ns() % 10**6
    rng, run = random.Random(seed), tmp_path / "killed"
    print(f"seed {seed}")
    for _ in range(KILLS):
        process = start(recipe(tmp_path, "disk"), run, "--resume")
        wait_for_checkpoints(process, rng.randint(2, 8))
        time.sleep(rng.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=300)
        assert process.returncode == -9
    finish(start(recipe(tmp_path, "disk"), run, "--resume"))
    assert (run / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    ours, theirs = (Checkpoints(folder / "checkpoints").latest_good(pytest.fail)[1] for folder in (run, tmp_path / "whole"))
    shared = [name for name in theirs if name in ours]
    assert {name.rpartition("/")[2] for name in theirs.keys() - ours.keys()} == {
        "observation",
        "action",
        "reward",
        "terminated",
        "truncated",
        "final_observation",
    }
    for name in shared:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
