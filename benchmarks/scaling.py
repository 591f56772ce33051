"""The formulas of docs/scaling.md beside what 1, 2 and 4 processes on this machine measure: sums of gradients over loopback, and training steps.

    python benchmarks/scaling.py --out benchmarks/results/scaling.json

Each process computes with one thread and has its own eight examples a step, so that work grows with processes. All share two cores and other work,
so wall times say little (they are kept, too); what counts is CPU time a process. Over loopback a message costs CPU time for itself and for its bytes,
as on a network it costs latency and bandwidth, so formula (1) should hold for it: both are fitted to the sums of two processes, and the formula says
those of four, and the steps of both.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kvision.ops import scaling

PROCESSES = (1, 2, 4)
SIZES = (4_000, 2_000_000, 16_000_000)
BATCH, STEPS, SUMS = 8, 10, 8
RECIPE = ["model.width=16", "model.depth=3", "data.size_px=64", "data.train_size=256", "data.val_size=8", "train.epochs=100"]


def worker(workers: list[str], index: int) -> dict[str, Any]:
    """What one process measures."""
    import tensorflow as tf

    from kvision import catalog
    from kvision.engine import session, strategy
    from kvision.engine.cluster import Cluster
    from kvision.engine.loop import Loop

    tf.config.threading.set_intra_op_parallelism_threads(1)
    where = strategy.make("cpu", Cluster(tuple(workers), index) if len(workers) > 1 else None)
    sums = {size: _sum_cpu_s(where, size) for size in SIZES} if len(workers) > 1 else {}
    resolved = catalog.load("unet", [*RECIPE, f"data.batch={BATCH * len(workers)}"])
    recipe = resolved.recipe
    opened = session.open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices=where)
    loop = Loop(opened)
    loop.train(3)
    began, cpu = time.perf_counter(), time.process_time()
    loop.train(3 + STEPS)
    found = {"step_s": (time.perf_counter() - began) / STEPS, "cpu_s": (time.process_time() - cpu) / STEPS, "sum_cpu_s": sums}
    return {**found, "gradient_bytes": 4 * sum(variable.shape.num_elements() for variable in opened.system.net.trainable_variables)}


def _sum_cpu_s(where: Any, size: int) -> float:
    """CPU seconds of this process for a sum over all of them, of several one after the other."""
    import tensorflow as tf

    def once(value: tf.Tensor) -> tf.Tensor:
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tf.identity(value))

    @tf.function
    def several(count: tf.Tensor) -> tf.Tensor:
        value = tf.ones([size // 4])
        for _ in tf.range(count):
            value = where.run(once, (value,))
        return tf.reduce_sum(value)

    several(tf.constant(2))
    began = time.process_time()
    several(tf.constant(SUMS))
    return (time.process_time() - began) / SUMS


def measure(count: int) -> dict[str, Any]:
    """What `count` processes measure: the mean of them all."""
    free = [socket.create_server(("localhost", 0)) for _ in range(count)]
    workers = [f"localhost:{one.getsockname()[1]}" for one in free]
    for one in free:
        one.close()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, __file__, "--workers", ",".join(workers), "--index"]
    started = [subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, stderr=None, text=True, env=environment) for i in range(count)]
    try:
        told = [json.loads(process.communicate(timeout=1800)[0].splitlines()[-1]) for process in started]
    finally:
        for process in started:
            process.kill()
    sums = {size: sum(each["sum_cpu_s"][size] for each in told) / count for size in told[0]["sum_cpu_s"]}
    means = {name: sum(each[name] for each in told) / count for name in ("step_s", "cpu_s")}
    return {"processes": count, "load": os.getloadavg()[0], **means, "gradient_bytes": told[0]["gradient_bytes"], "sum_cpu_s": sums}


def foretold(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows beside what the formulas say of them, and before them what was fitted."""
    alone, two = rows[0], rows[1]
    small, *_, large = two["sum_cpu_s"].values()
    bandwidth = (SIZES[-1] - SIZES[0]) / (large - small)  # of two: 2 messages of half the bytes
    message_s = max(0.0, small / 2 - SIZES[0] / 2 / bandwidth)
    for row in rows:
        count = row["processes"]
        row["expected_sum_cpu_s"] = {size: scaling.ring(count, int(size), bandwidth, message_s) for size in row["sum_cpu_s"]}
        row["expected_cpu_s"] = alone["cpu_s"] + scaling.ring(count, row["gradient_bytes"], bandwidth, message_s)
        row["cpu_off_by"] = row["cpu_s"] / row["expected_cpu_s"] - 1
        row["cpu_beside_one_process"] = row["cpu_s"] / alone["cpu_s"]
    return [{"cores": len(os.sched_getaffinity(0)), "fitted_bytes_a_cpu_s": bandwidth, "fitted_cpu_s_a_message": message_s}, *rows]


def main() -> None:
    """Measures, or is one of those measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--workers")
    parser.add_argument("--index", type=int)
    arguments = parser.parse_args()
    if arguments.workers:
        print(json.dumps(worker(arguments.workers.split(","), arguments.index)))
        return
    text = json.dumps(foretold([measure(count) for count in PROCESSES]), indent=1)
    print(text)
    if arguments.out:
        Path(arguments.out).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
