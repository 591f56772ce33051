"""Worker of `rl.py` in PyTorch's environment: proximal policy optimisation as one lean loop, in the manner of CleanRL's `ppo.py`.

The environments are gymnasium's own, stepped one after the other as CleanRL does, or with `--batched` all together by NumPy. Both reset themselves in
the step after an episode's end: what the last step led to is then seen by the networks like every other observation, so that values go on through
time limits; the step that only resets is not learnt from.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

import gymnasium
import numpy as np
import torch
from rl_tasks import ENVIRONMENT, EPISODES, TASKS, Ppo, Progress, work
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import argparse


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int, last_gain: float) -> nn.Sequential:
    """Layers with tanh between them, orthogonal weights and no biases at first."""
    sizes, layers = (inputs, *hidden, outputs), []
    for number, (size, following) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(size, following)
        nn.init.orthogonal_(layer.weight, last_gain if number == len(hidden) else 2**0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Returns:
    """Returns of the last episodes of several environments."""

    def __init__(self, envs: int) -> None:
        self._running, self._ended = np.zeros(envs), deque[float](maxlen=EPISODES)

    def add(self, reward: np.ndarray, done: np.ndarray) -> None:
        """One step of all environments."""
        self._running += reward
        if done.any():
            self._ended.extend(self._running[done].tolist())
            self._running[done] = 0.0

    def mean(self) -> float | None:
        """Of the last episodes; none: there were too few."""
        return float(np.mean(self._ended)) if len(self._ended) == EPISODES else None


def advantages(task: Ppo, rewards: torch.Tensor, values: torch.Tensor, terminated: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Generalised advantages `[T, N]`, of values `[T + 1, N]`."""
    found, following = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        error = rewards[t] + task.gamma * values[t + 1] * (1 - terminated[t]) - values[t]
        found[t] = following = error + task.gamma * task.lambda_ * (1 - done[t]) * following
    return found


def run(options: argparse.Namespace) -> Progress:
    """Trains for so many steps."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    task = TASKS[options.task]
    assert isinstance(task, Ppo)
    envs = gymnasium.make_vec(ENVIRONMENT, task.envs, vectorization_mode="vector_entry_point" if options.batched else "sync")
    size, actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    policy, critic = mlp(size, task.hidden, actions, 0.01), mlp(size, task.hidden, 1, 1.0)
    parameters = [*policy.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=task.lr, eps=1e-5, fused=True)
    shape = (task.rollout, task.envs)
    observations = torch.zeros((task.rollout + 1, task.envs, size))
    taken, rewards, terminated, done, valid = torch.zeros(shape, dtype=torch.long), *(torch.zeros(shape) for _ in range(4))
    returns, resetting = Returns(task.envs), np.zeros(task.envs, bool)
    progress, each = Progress(), task.rollout * task.envs
    observation, _ = envs.reset(seed=options.seed)
    iterations = -(-options.steps // each)
    for iteration in range(iterations):
        left = 1 - iteration / iterations if task.falling else 1.0
        optimizer.param_groups[0]["lr"] = task.lr * left
        with torch.no_grad():
            for t in range(task.rollout):
                observations[t] = torch.from_numpy(observation)
                taken[t] = torch.multinomial(policy(observations[t]).softmax(-1), 1)[:, 0]
                observation, reward, over, cut, _ = envs.step(taken[t].numpy())
                valid[t] = torch.from_numpy(~resetting)
                resetting = over | cut
                returns.add(reward, resetting)
                rewards[t], terminated[t], done[t] = map(torch.from_numpy, (reward, over, resetting))
            observations[-1] = torch.from_numpy(observation)
            values = critic(observations)[..., 0]
            old = policy(observations[:-1]).log_softmax(-1).gather(-1, taken[..., None])[..., 0]
            gains = advantages(task, rewards, values, terminated, done)
        kept = valid.bool()
        x, action, before, gain, target = observations[:-1][kept], taken[kept], old[kept], gains[kept], (gains + values[:-1])[kept]
        for _ in range(task.epochs):
            for part in torch.randperm(len(x)).split(task.minibatch):
                logits = policy(x[part]).log_softmax(-1)
                ratio = (logits.gather(-1, action[part, None])[:, 0] - before[part]).exp()
                normal = (gain[part] - gain[part].mean()) / (gain[part].std(correction=0) + 1e-8)
                clipped = ratio.clamp(1 - task.clip * left, 1 + task.clip * left)
                entropy = -(logits.exp() * logits).sum(-1).mean()
                value_loss = functional.mse_loss(critic(x[part])[:, 0], target[part])
                loss = -torch.min(ratio * normal, clipped * normal).mean() - task.entropy * entropy + task.value_weight * value_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, task.clip_norm)
                optimizer.step()
        progress.heard((iteration + 1) * each, returns.mean())
    return progress


if __name__ == "__main__":
    work(run)
