"""Worker of `rl.py`: kvision's own loop on the shipped recipes, with the settings of the task."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import TYPE_CHECKING

import tensorflow as tf
from rl_tasks import ENVIRONMENT, EPISODES, TASKS, Dqn, Ppo, Progress, work

from kvision import catalog
from kvision.engine import state
from kvision.engine.loop import Loop
from kvision.engine.session import open_session

if TYPE_CHECKING:
    import argparse

AT_ONCE = 1024
"""Environment steps of a graph call, after which it is looked whether the pass mark is reached."""


def overrides(task: Ppo | Dqn, seed: int, steps: int) -> list[str]:
    """A task in the words of our recipes."""
    shared = [f"model.gamma={task.gamma}", f"model.hidden={list(task.hidden)}", f"model.minibatch={task.minibatch}"]
    shared += [
        f"optim.lr={task.lr}",
        f"optim.clip_norm={task.clip_norm}",
        f"train.seed={seed}",
        "train.epochs=1",
        f"data.steps={steps}",
        f"data.envs={task.envs}",
    ]
    if isinstance(task, Ppo):
        return [
            *shared,
            f"data.batch={task.envs * task.rollout}",
            f"model.gae_lambda={task.lambda_}",
            f"model.epochs={task.epochs}",
            f"model.clip={task.clip}",
            f"model.clip_follows_lr={str(task.falling).lower()}",
            f"model.entropy={task.entropy}",
            f"model.value_weight={task.value_weight}",
            f"optim.schedule={'linear' if task.falling else 'constant'}",
        ]
    return [
        *shared,
        f"data.batch={task.every}",
        "model.double=false",
        "model.n_step=1",
        f"model.capacity={task.replay}",
        f"model.learning_starts={task.warmup}",
        f"model.gradient_steps={task.updates}",
        f"model.target_every={task.updates}",
        f"model.exploration.end={task.epsilon}",
        f"model.exploration.fraction={task.explored}",
        "optim.schedule=constant",
    ]


def run(options: argparse.Namespace) -> Progress:
    """Trains for so many steps."""
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    task = TASKS[options.task]
    where = [] if options.world else [f"data.id={ENVIRONMENT}"]
    recipe = "rl/cart_pole" if options.world else "ppo" if isinstance(task, Ppo) else "rl/dqn"
    found = catalog.load(recipe, [*where, *overrides(task, options.seed, options.steps)])
    session = open_session(found, catalog.system(found.recipe.system), catalog.source(found.recipe.data.source), devices="cpu")
    loop, batch = Loop(session), found.recipe.data.batch
    collector = session.system.collector  # type: ignore[attr-defined]
    before = state.read(session.variables())
    loop.train(1)  # traces and compiles
    state.write(session.variables(), before, "the benchmark")
    loop._iterator = None
    progress = Progress()
    total, each = session.for_training.total, max(1, AT_ONCE // batch)
    for done in range(0, total, each):
        loop.train(min(total, done + each))
        ended = float(collector.episodes) == EPISODES
        progress.heard(int(collector.steps), float(collector.returns) if ended else None)
    return progress


if __name__ == "__main__":
    work(run)
