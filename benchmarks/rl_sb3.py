"""Worker of `rl.py` in PyTorch's environment: stable-baselines3 as its manual shows it, with the settings of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rl_tasks import ENVIRONMENT, EPISODES, TASKS, Dqn, Ppo, Progress, work
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

if TYPE_CHECKING:
    import argparse

    from stable_baselines3.common.base_class import BaseAlgorithm


class Listener(BaseCallback):
    """Hears of the returns after each rollout."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        ended = self.model.ep_info_buffer
        returned = float(np.mean([episode["r"] for episode in ended])) if ended is not None and len(ended) == EPISODES else None
        self._progress.heard(self.num_timesteps, returned)


def algorithm(task: Ppo | Dqn, seed: int) -> BaseAlgorithm:
    """The algorithm of a task."""
    envs = make_vec_env(ENVIRONMENT, n_envs=task.envs, seed=seed)
    shared: dict[str, Any] = {"seed": seed, "device": "cpu", "gamma": task.gamma, "batch_size": task.minibatch, "max_grad_norm": task.clip_norm}
    if isinstance(task, Ppo):
        return PPO(
            "MlpPolicy",
            envs,
            learning_rate=(lambda left: task.lr * left) if task.falling else task.lr,
            clip_range=(lambda left: task.clip * left) if task.falling else task.clip,
            n_steps=task.rollout,
            n_epochs=task.epochs,
            gae_lambda=task.lambda_,
            ent_coef=task.entropy,
            vf_coef=task.value_weight,
            policy_kwargs={"net_arch": {"pi": list(task.hidden), "vf": list(task.hidden)}},
            **shared,
        )
    return DQN(
        "MlpPolicy",
        envs,
        learning_rate=task.lr,
        buffer_size=task.replay,
        learning_starts=task.warmup,
        train_freq=task.every // task.envs,
        gradient_steps=task.updates,
        target_update_interval=10,  # the Zoo's; it is copied while it plays only, so once between two rounds counts
        exploration_fraction=task.explored,
        exploration_final_eps=task.epsilon,
        policy_kwargs={"net_arch": list(task.hidden)},
        **shared,
    )


def run(options: argparse.Namespace) -> Progress:
    """Trains for so many steps."""
    torch.set_num_threads(options.threads)
    model = algorithm(TASKS[options.task], options.seed)
    progress = Progress()
    model.learn(options.steps, callback=Listener(progress))
    progress.steps = model.num_timesteps
    return progress


if __name__ == "__main__":
    work(run)
