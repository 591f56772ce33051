"""`kvision plan`: what a training would be like, without beginning it. Writes nothing."""

from __future__ import annotations

import functools
import json
import math
import statistics
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from kvision import catalog
from kvision.commands import plan_cluster
from kvision.core import words
from kvision.core.errors import UsageError
from kvision.ops.scaling import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.engine.replica import AnyVariable
    from kvision.engine.session import Session

_TIMED_STEPS = 3


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    *,
    smoke: bool = False,
    devices: str = "auto",
    precision: str = "fp32",
    json_lines: bool = False,
    images: float | None = None,
    cluster: Cluster | None = None,
) -> None:
    """Builds data and model, runs one training and one validation step, times another of each, and prints what a training would take.

    Args:
        recipe: A file, or the name of a shipped recipe.
        overrides: `key=value` texts.
        smoke: Whether the recipe's `smoke` section is applied.
        devices: As `--devices`; a number: so many accelerators of a cluster, of which one is measured here.
        precision: `fp32`, `bf16` or `fp16`.
        json_lines: One JSON object instead of the tables.
        images: Training examples on the cluster; none: the recipe's.
        cluster: What it is; none: `Cluster()`.

    Raises:
        RecipeError: With every problem of the recipe.
        UsageError: If there is no such cluster, or it would have too few examples.
        DataError: If the data can't be used.
    """
    resolved = catalog.load(recipe, overrides, smoke)
    count, cluster = int(devices) if devices.isdecimal() else None, cluster or Cluster()
    if count == 0 or (count is None and images is not None):
        raise UsageError(f"--devices {devices}: for a cluster, with --images or without, a number of accelerators from 1 is accepted, such as 256")
    print("building data and model …", file=sys.stderr, flush=True)
    facts = measure(resolved, devices=devices if count is None else "auto", precision=precision)
    if count is not None:
        facts["cluster"] = plan_cluster.measure(facts, count, images, cluster)
    if json_lines:
        print(json.dumps(facts))
        return
    _show(facts)
    if count is not None:
        plan_cluster.show(facts["cluster"], cluster)


def measure(resolved: Resolved, *, devices: str = "auto", precision: str = "fp32") -> dict[str, Any]:
    """The figures of a plan, as plain JSON values.

    Args:
        resolved: The recipe.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`.

    Returns:
        Sizes in bytes, times in seconds; `layers` as `kvision.engine.profile.LayerCost` has them; `synchronized`: channels of each batch norm.
    """
    import psutil

    from kvision.engine import profile, session
    from kvision.engine.loop import Loop

    process = psutil.Process()
    before = process.memory_info().rss
    recipe = resolved.recipe
    opened = session.open_session(
        resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices=devices, precision_name=precision
    )
    recipe = opened.recipe  # with the batch that was found
    layers = [cost for net in opened.system.networks.values() for cost in profile.layers(net)]
    recomputed = [getattr(net, "held", 0) for net in opened.trained.networks.values()] if recipe.optim.recompute else []
    held = sum(recomputed) or sum(layer.outputs for layer in layers)
    loop = Loop(opened)
    first_s = _timed(lambda: loop.train(1))
    step_s = statistics.median(_timed(functools.partial(loop.train, 2 + number)) for number in range(_TIMED_STEPS))
    loop.evaluate(stop=lambda: True)
    eval_s = _timed(lambda: loop.evaluate(stop=lambda: True))
    pipeline = opened.pipeline
    total = opened.for_training.total
    epochs = -(-total // pipeline.steps_per_epoch)
    width = 4 if precision == "fp32" else 2
    multiply_adds = sum(layer.multiply_adds for layer in layers)
    return {
        "system": recipe.system,
        "devices": opened.devices,
        "precision": precision,
        "input": [None, *opened.system.net.inputs[0].shape[1:]],
        "output": [None, *opened.system.net.outputs[0].shape[1:]],
        "parameters": sum(layer.parameters for layer in layers),
        "trainable": sum(math.prod(variable.shape) for variables in opened.system.trainables().values() for variable in variables),
        "synchronized": _synchronized(opened),
        "multiply_adds": multiply_adds,
        "multiply_adds_per_s": round(3 * multiply_adds * recipe.data.batch / step_s),
        "num_train": pipeline.num_train,
        "num_val": pipeline.num_val,
        "batch": recipe.data.batch,
        "steps_per_epoch": pipeline.steps_per_epoch,
        "epochs": epochs,
        "steps": total,
        "first_step_s": first_s,
        "step_s": step_s,
        "eval_step_s": eval_s,
        "eta_s": first_s + total * step_s + epochs * pipeline.val_steps * eval_s,
        "images_per_s": recipe.data.batch / step_s,
        "unit": opened.system.unit,
        "memory": max(0, process.memory_info().rss - before),
        "activations": held * recipe.data.batch // recipe.optim.accumulate * width,
        **_disk(opened, epochs),
        "layers": [asdict(layer) for layer in layers],
    }


def _disk(opened: Session, epochs: int) -> dict[str, int]:
    """Bytes of one checkpoint, and of a whole run folder: two newest, the best, those kept for good, and the exported weights."""
    checkpoint = sum(_bytes(variable) for variable in opened.variables().values())
    weights = sum(_bytes(variable) for variable in opened.weights().values())
    every = opened.recipe.keep_every_epochs
    kept = min(3 + (epochs // every if every else 0), epochs + 2)
    exported = 3 + opened.recipe.optim.averages  # last, best, model.keras, and the average
    return {"checkpoint": checkpoint, "disk": (kept + 1) * checkpoint + exported * weights}  # one more while it is being written


def _synchronized(opened: Session) -> list[int]:
    """Channels of each batch normalisation whose statistics would be those of all accelerators."""
    from kvision.layers.normalization import BatchNormalization

    layers = [layer for net in opened.system.networks.values() for layer in net._flatten_layers() if isinstance(layer, BatchNormalization)]
    return [layer.gamma.shape[0] for layer in layers if layer.synchronized and layer.trainable]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _bytes(variable: AnyVariable) -> int:
    import tensorflow as tf

    if None in variable.shape:  # what is on the host, such as where an environment stands, is as large as it is found
        return int(variable.numpy().nbytes)
    return math.prod(variable.shape) * int(tf.as_dtype(variable.dtype).size)


def _show(facts: dict[str, Any]) -> None:
    console = Console()
    number = words.number
    table = Table("layer", "kind", "output", box=None, header_style="bold", pad_edge=False)
    for heading in ("parameters", "multiply-adds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in facts["layers"]:
        shape = "×".join(str(size) for size in layer["shape"])
        table.add_row(layer["name"], layer["kind"], shape, number(layer["parameters"]), number(layer["multiply_adds"]))
    console.print(table, "")
    each, rate = f"{facts['step_s'] * 1000:.0f} ms a step", f"{facts['multiply_adds_per_s'] / 1e9:.1f} G multiply-adds/s"
    speed = f"{each}, {facts['images_per_s']:.1f} {facts['unit']}s/s, {rate}"
    whole = facts["steps"] == facts["epochs"] * facts["steps_per_epoch"]
    per_epoch = f": {words.counted(facts['epochs'], 'epoch')} of {number(facts['steps_per_epoch'])}" if whole else ""
    rows = [
        ("system", f"{facts['system']} on {', '.join(facts['devices'])}, {facts['precision']}"),
        ("shapes", f"{_shape(facts['input'])} to {_shape(facts['output'])}"),
        ("parameters", f"{number(facts['parameters'])}, of which {number(facts['trainable'])} are trained"),
        ("multiply-adds", f"{number(facts['multiply_adds'])} for one {facts['unit']}"),
        ("data", f"{number(facts['num_train'])} training and {number(facts['num_val'])} validation examples, batch {facts['batch']}"),
        ("steps", f"{number(facts['steps'])}{per_epoch}"),
        ("speed", speed),
        ("time", f"about {words.duration(facts['eta_s'])}, of which {words.duration(facts['first_step_s'])} for the first step"),
        ("memory", f"{words.size(facts['memory'])} more than before, data included; activations about {words.size(facts['activations'])}"),
        ("disk", f"at most {words.size(facts['disk'])}, checkpoints of {words.size(facts['checkpoint'])}"),
    ]
    summary = Table.grid(padding=(0, 2))
    for name, text in rows:
        summary.add_row(f"[bold]{name}", text)
    console.print(summary)


def _shape(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("B" if size is None else str(size) for size in shape) + "]"
