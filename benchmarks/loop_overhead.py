"""What kvision's loop costs over a bare `tf.function` loop of the same model, optimizer and batch. The aim is at most 3%.

    python benchmarks/loop_overhead.py --rounds 15

The bare loop has no data iterator, no guard, no gradient norm, no schedule and no bookkeeping: only forward, backward and the fused optimizer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf
from throughput_kvision import ours, session
from throughput_tasks import TASKS, Task

from kvision.engine import optimizers

if TYPE_CHECKING:
    from collections.abc import Callable


def bare(task: Task, precision: str) -> Callable[[int], None]:
    """Steps of the bare loop."""
    opened = session(task, precision)
    system, batch = opened.system, next(iter(opened.pipeline.train(0)))
    variables = system.net.trainable_variables
    with opened.strategy.scope():
        optimizer = optimizers.create(opened.recipe.optim, "bare")
        optimizer.build(variables)

    @tf.function
    def run(steps: tf.Tensor) -> tf.Tensor:
        loss = tf.zeros(())
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(system.example_losses(batch))
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            optimizer.update(gradients, variables, tf.constant(1e-3))
        return loss

    return lambda steps: float(run(tf.constant(steps)))


def main() -> None:
    """Times both in turns and prints the overhead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=4, help="steps of a block")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--task", choices=list(TASKS), default="unet")
    options = parser.parse_args()
    task = TASKS[options.task]
    loops = {"bare": bare(task, options.precision), "kvision": ours(task, options.precision)}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    cpu: dict[str, list[float]] = {name: [] for name in loops}
    for run in loops.values():
        run(2)
    for number in range(options.rounds):
        for name in sorted(loops, reverse=bool(number % 2)):
            wall, spent = time.perf_counter(), time.process_time()
            loops[name](options.steps)
            seconds[name].append((time.perf_counter() - wall) / options.steps)
            cpu[name].append((time.process_time() - spent) / options.steps)
    by_wall, by_cpu = (statistics.median(a / b for a, b in zip(clock["kvision"], clock["bare"], strict=True)) - 1 for clock in (seconds, cpu))
    for name, values in seconds.items():
        print(f"{name:10} {statistics.median(values) * 1e3:8.1f} ms/step")
    print(f"overhead of the loop: {by_wall:+.1%} by wall clock, {by_cpu:+.1%} by CPU time (median of {options.rounds} paired blocks)")
    if options.out:
        options.out.write_text(json.dumps({"overhead": by_wall, "overhead_cpu": by_cpu, "seconds_a_step": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
