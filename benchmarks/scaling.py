"""The formulas of docs/scaling.md beside what 1, 2 and 4 processes on this machine measure: sums of gradients over loopback, and training steps.

    python benchmarks/scaling.py --out benchmarks/results/scaling.json

Each process computes with one thread and has its own eight examples a step, so that work grows with processes. They share the cores, so wall times
say how many cores there are; what counts is CPU time a process. Over loopback a sum costs CPU time for itself and for its bytes, as on a network it
costs latency and bandwidth. Both are measured by sums alone, at each number of processes; `apart`, so many processes that train at once and know
nothing of each other, says what a step costs where others use the same caches and memory. From these the step of those that train together is
foretold:

    apart + a sum of the gradients + two small sums for each synchronised batch norm + one for the loss

which is what formulas (4) and (10) add up. It is not fitted to any step.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import processes

from kvision.core import quiet
from kvision.ops import scaling

PROCESSES = (1, 2, 4)
SUMS = {4_000: 64, 2_000_000: 8, 16_000_000: 8}
"""Bytes of a sum, and how many are measured."""
BATCH, STEPS = 8, 20
RECIPE = ["model.width=16", "model.depth=3", "data.size_px=64", "data.train_size=256", "data.val_size=8", "train.epochs=1000"]


def worker(addresses: str, index: int, overrides: list[str]) -> dict[str, Any]:
    """What one process measures."""
    quiet.install()
    import tensorflow as tf

    from kvision import catalog
    from kvision.engine import cluster, session, strategy
    from kvision.engine.loop import Loop
    from kvision.layers.normalization import BatchNormalization

    tf.config.threading.set_intra_op_parallelism_threads(1)
    where = strategy.make("cpu", cluster.find(addresses, index, {}) if addresses else None)
    sums = {size: _sum_cpu_s(where, size, count) for size, count in SUMS.items()} if addresses else {}
    count = where.num_replicas_in_sync
    resolved = catalog.load("unet", [*RECIPE, *overrides, f"data.batch={BATCH * count}"])
    recipe = resolved.recipe
    opened = session.open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices=where)
    loop = Loop(opened)
    loop.train(3)
    began, cpu = time.perf_counter(), time.process_time()
    loop.train(3 + STEPS)
    found = {"step_s": (time.perf_counter() - began) / STEPS, "cpu_s": (time.process_time() - cpu) / STEPS, "sum_cpu_s": sums}
    layers = (layer for layer in opened.system.net._flatten_layers() if isinstance(layer, BatchNormalization))
    norms = 2 * sum(layer.synchronized for layer in layers)  # forward and backward
    gradients = 4 * sum(variable.shape.num_elements() for variable in opened.system.net.trainable_variables)
    return {**found, "gradient_bytes": gradients, "batch_norm_sums": norms}


def _sum_cpu_s(where: Any, size: int, count: int) -> float:
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
    several(tf.constant(count))
    return (time.process_time() - began) / count


def measure(count: int, overrides: list[str], *, together: bool) -> dict[str, Any]:
    """What `count` processes measure: the mean of them all."""
    told = processes.run([__file__, *overrides], count, together=together)
    means = {name: sum(each[name] for each in told) / count for name in ("step_s", "cpu_s")}
    sums = {size: sum(each["sum_cpu_s"][size] for each in told) / count for size in told[0]["sum_cpu_s"]}
    return {**told[0], **means, "sum_cpu_s": sums, "load": os.getloadavg()[0]}


def row(count: int, overrides: list[str]) -> dict[str, Any]:
    """The step of so many processes as it is and as it is foretold; beside it what it is made of."""
    apart = measure(count, overrides, together=False)
    together = measure(count, overrides, together=True) if count > 1 else apart
    parts = {"computation": apart["cpu_s"], "gradients": 0.0, "batch_norms": 0.0, "loss": 0.0}
    if count > 1:
        small, *_, large = together["sum_cpu_s"].items()
        a_byte = (large[1] - small[1]) / (int(large[0]) - int(small[0]))
        gradients, batch_norms = a_byte * together["gradient_bytes"], small[1] * together["batch_norm_sums"]
        parts |= {"gradients": small[1] + gradients, "batch_norms": batch_norms, "loss": small[1]}
    expected = sum(parts.values())
    share = max(1.0, count / len(os.sched_getaffinity(0)))  # processes on a core
    return {
        "processes": count,
        **together,
        "apart_cpu_s": apart["cpu_s"],
        "apart_step_s": apart["step_s"],
        "expected_parts_cpu_s": parts,
        "expected_cpu_s": expected,
        "expected_step_s": expected * share,
        "off_by": expected / together["cpu_s"] - 1,
    }


def by_ring(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Formula (1), with latency and bandwidth of two processes, for the sums of more: how far the cost of one grows as it says."""
    two = rows[1]["sum_cpu_s"]
    (small, small_s), *_, (large, large_s) = ((int(size), each) for size, each in two.items())
    bandwidth = (large - small) / (large_s - small_s)  # of two: 2 messages of half the bytes
    message_s = max(0.0, small_s / 2 - small / 2 / bandwidth)
    sums = {each["processes"]: {size: scaling.ring(each["processes"], int(size), bandwidth, message_s) for size in two} for each in rows[1:]}
    return {"fitted_bytes_a_cpu_s": bandwidth, "fitted_cpu_s_a_message": message_s, "expected_sum_cpu_s": sums}


def main() -> None:
    """Measures, or is one of those measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="changes of the recipe, such as train.batch_norm=per_replica")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--addresses", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.index is not None:
        print(json.dumps(worker(options.addresses, options.index, options.overrides)))
        return
    rows = [row(count, options.overrides) for count in PROCESSES]
    for each in rows:
        parts = ", ".join(f"{name} {1000 * value:.0f}" for name, value in each["expected_parts_cpu_s"].items())
        foretold = f"foretold {1000 * each['expected_cpu_s']:.0f} ({parts}), off by {each['off_by']:+.0%}"
        print(f"{each['processes']} processes: CPU ms a step {1000 * each['cpu_s']:.0f}, {foretold}")
        print(f"    by the clock {1000 * each['step_s']:.0f}, foretold for the cores that there are {1000 * each['expected_step_s']:.0f}")
    result = {"cores": len(os.sched_getaffinity(0)), "overrides": options.overrides, **by_ring(rows), "rows": rows}
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
