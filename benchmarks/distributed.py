"""What it costs to share a training: CPU time of two processes over loopback against that of one, for the same images. The aim is at most 15 % more.

    python benchmarks/distributed.py --out benchmarks/results/distributed.json

All train the same recipe at the same global batch, each process with one thread, and take turns. `apart` are two processes that know nothing of
each other, each at half the batch: what they cost beside one is what smaller batches cost, and what `together` costs beside them is what it costs to
agree. The CPU seconds are those of whole processes, user and system, between two steps of the middle of a run: imports and the building of graphs
are left out, for they are paid once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import processes

from kvision.core import quiet

WARM = 3
SMALL = ["data.train_size=512", "data.val_size=8", "train.epochs=1000"]
PER_REPLICA = "train.batch_norm=per_replica"
RESNET = [*SMALL, "data.source=digits", "data.size_px=32"]
CASES = {
    "unet": ("unet", SMALL),
    "unet, batch norms per replica": ("unet", [*SMALL, PER_REPLICA]),
    "resnet": ("resnet", RESNET),
    "resnet, batch norms per replica": ("resnet", [*RESNET, PER_REPLICA]),
    "show_attend_tell": ("show_attend_tell", SMALL),
}
"""Recipes and what is changed: fewer pictures, for they are drawn before the first step, and nothing that must be downloaded."""


def worker(case: str, addresses: str, index: int, share: int, steps: int) -> dict[str, float]:
    """What one process measures."""
    quiet.install()
    import tensorflow as tf

    from kvision import catalog
    from kvision.engine import cluster, session, strategy
    from kvision.engine.loop import Loop

    tf.config.threading.set_intra_op_parallelism_threads(1)
    where = strategy.make("cpu", cluster.find(addresses, index, {}) if addresses else None)
    name, overrides = CASES[case]
    whole = catalog.load(name, overrides).recipe.data.batch
    resolved = catalog.load(name, [*overrides, f"data.batch={whole // share}"])
    recipe = resolved.recipe
    opened = session.open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices=where)
    loop = Loop(opened)
    loop.train(WARM)
    before = os.times()
    loop.train(WARM + steps)
    after = os.times()
    cpu_s, wall_s = after.user + after.system - before.user - before.system, after.elapsed - before.elapsed
    return {"cpu_s": cpu_s, "wall_s": wall_s, "images": steps * recipe.data.batch * (1 if addresses else share)}


def measure(case: str, count: int, steps: int, *, together: bool = True) -> dict[str, float]:
    """CPU seconds of so many processes, wall seconds, and images, over all of them."""
    words = ["--case", case, "--steps", str(steps), "--share", str(1 if together else count)]
    said = processes.run([__file__, *words], count, together=together)
    return {"cpu_s": sum(each["cpu_s"] for each in said), "wall_s": max(each["wall_s"] for each in said), "images": said[0]["images"]}


def compare(case: str, rounds: int, steps: int) -> dict[str, Any]:
    """The CPU time of two beside one, in turns; medians over the rounds."""
    found: list[dict[str, dict[str, float]]] = []
    for number in range(rounds):
        apart = measure(case, 2, steps, together=False)
        found.append({"one": measure(case, 1, steps), "apart": apart, "together": measure(case, 2, steps)})
        print(f"{case}, round {number + 1}: {json.dumps(found[-1])}", file=sys.stderr, flush=True)
    beside = {name: statistics.median(each[name]["cpu_s"] / each["one"]["cpu_s"] - 1 for each in found) for name in ("apart", "together")}
    step_s = statistics.median(each["one"]["cpu_s"] / steps for each in found)
    return {"case": case, "steps": steps, "one_step_cpu_s": step_s, "more_cpu_time": beside, "rounds": found}


def main() -> None:
    """Measures the cases, or is one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--case", action="append", choices=[*CASES], help="may be given several times; all by default")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--addresses", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--share", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.index is not None:
        print(json.dumps(worker(options.case[0], options.addresses, options.index, options.share, options.steps)))
        return
    result = [compare(case, options.rounds, options.steps) for case in options.case or CASES]
    for each in result:
        more = each["more_cpu_time"]
        print(f"{each['case']:34} {1000 * each['one_step_cpu_s']:6.0f} ms a step; two apart {more['apart']:+.0%}, together {more['together']:+.0%}")
    if options.out is not None:
        options.out.write_text(json.dumps({"cores": len(os.sched_getaffinity(0)), "cases": result}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
