"""`kvision plan --devices 256 --images 1e9`: what a training would be like on many accelerators. The formulas are docs/scaling.md's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from kvision.core import words
from kvision.core.errors import UsageError
from kvision.ops import scaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.ops.scaling import Cluster

GRADIENT_BYTES = 4
"""Gradients are summed in float32, whatever the precision."""
READ_TOGETHER = 16
"""Files that a node has open at once where there is no index."""
DAY_S = 86_400.0


def measure(facts: Mapping[str, Any], devices: int, images: float | None, cluster: Cluster) -> dict[str, Any]:
    """The figures of a plan for a cluster, as plain JSON values.

    Args:
        facts: Of `kvision.commands.plan.measure`, for one accelerator.
        devices: Accelerators.
        images: Training examples; none: as many as the recipe has.
        cluster: What it runs on.

    Returns:
        Sizes in bytes, times in seconds. `efficiency`: for 1, 2, 4 ... accelerators.

    Raises:
        UsageError: If there are fewer examples than a step takes.
    """
    num = round(facts["num_train"] if images is None else images)
    batch = facts["batch"] * devices
    if num < batch:
        raise UsageError(
            f"--images {num:,}: fewer than the {batch:,} of a step on {devices} accelerators, each with data.batch={facts['batch']}; "
            "use more images, fewer --devices or a smaller data.batch"
        )
    compute_s, gradients, channels = facts["step_s"] / cluster.speed, GRADIENT_BYTES * facts["trainable"], facts["synchronized"]
    numbers = sorted({*(2**power for power in range(devices.bit_length())), devices})
    step_s = scaling.step(devices, compute_s, gradients, cluster, channels)
    steps, per_s = facts["epochs"] * (num // batch), batch / step_s
    work_s = steps * step_s
    return {
        "devices": devices,
        "batch": batch,
        "gradient_bytes": gradients,
        "batch_norms": len(channels),
        "efficiency": [_at(number, compute_s, gradients, channels, facts["batch"], cluster) for number in numbers],
        "steps": steps,
        "work_s": work_s,
        **_data(num, batch, per_s, math.ceil(devices / cluster.per_node), cluster),
        **_failures(devices, facts["checkpoint"], step_s, work_s, cluster),
    }


def _at(number: int, compute_s: float, gradients: int, channels: Sequence[int], batch: int, cluster: Cluster) -> dict[str, float]:
    step_s = scaling.step(number, compute_s, gradients, cluster, channels)
    return {
        "devices": number,
        "step_s": step_s,
        "all_reduce_s": scaling.all_reduce(number, gradients, cluster),
        "batch_norms_s": scaling.normalisation(number, channels, cluster),
        "images_per_s": number * batch / step_s,
        "efficiency": scaling.efficiency(number, compute_s, gradients, cluster, channels),
    }


def _data(num: int, batch: int, per_s: float, nodes: int, cluster: Cluster) -> dict[str, float]:
    """Bytes, files and reading."""
    stored = num * cluster.image_bytes
    files = max(1, math.ceil(stored / cluster.shard_bytes))
    return {
        "images": num,
        "stored_bytes": stored,
        "files": files,
        "read_bytes_per_s_of_a_node": per_s * cluster.image_bytes / nodes,
        "reads_per_s_of_a_node": per_s / nodes,
        "files_in_a_batch": scaling.origins(batch, files),
        "files_in_a_batch_without_index": scaling.origins(batch, min(files, READ_TOGETHER * nodes)),
    }


def _failures(devices: int, checkpoint: int, step_s: float, work_s: float, cluster: Cluster) -> dict[str, float]:
    """Failures, and the checkpoints against them."""
    mtbf_s, write_s = cluster.mtbf_s / devices, checkpoint / cluster.write_bandwidth
    interval_s = scaling.daly(write_s, mtbf_s)
    every = max(1, round(interval_s / step_s))
    lasting = scaling.goodput(every * step_s, write_s, cluster.restart_s, mtbf_s)
    return {
        "mtbf_s": mtbf_s,
        "failures_a_day": DAY_S / mtbf_s,
        "checkpoint_bytes": checkpoint,
        "checkpoint_s": write_s,
        "young_s": scaling.young(write_s, mtbf_s),
        "daly_s": interval_s,
        "checkpoint_every_steps": every,
        "goodput": lasting,
        "whole_s": work_s / lasting if lasting else math.inf,
    }


def show(facts: Mapping[str, Any], cluster: Cluster) -> None:
    """Prints what `measure` found, as two tables."""
    console = Console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("accelerators", "step", "all-reduce", "batch norms", "images/s", "efficiency"):
        table.add_column(heading, justify="right")
    for at in facts["efficiency"]:
        per_s = at["images_per_s"]
        speed = f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"
        times = (_time(at[name]) for name in ("step_s", "all_reduce_s", "batch_norms_s"))
        table.add_row(f"{at['devices']:,}", *times, speed, words.percent(at["efficiency"]))
    console.print("", table, "")
    summary = Table.grid(padding=(0, 2))
    for name, text in {**_work(facts, cluster), **_safety(facts, cluster)}.items():
        summary.add_row(f"[bold]{name}", text)
    console.print(summary)


def _work(facts: Mapping[str, Any], cluster: Cluster) -> dict[str, str]:
    """What is done, and on what."""
    size, counted = words.size, words.counted
    nodes = counted(math.ceil(facts["devices"] / cluster.per_node), "node")
    files = f"{counted(facts['files'], 'file')} of {size(cluster.shard_bytes)}"
    mixed, unmixed = (f"{facts[name]:,.0f} files" for name in ("files_in_a_batch", "files_in_a_batch_without_index"))
    reads = f"{facts['reads_per_s_of_a_node']:,.0f} reads/s of a node"
    return {
        "cluster": f"{counted(facts['devices'], 'accelerator')} in {nodes}, each {words.number(cluster.speed)} times as fast as this one",
        "batch": f"{facts['batch']:,} in all; {size(facts['gradient_bytes'])} of gradients a step",
        "batch norms": f"{counted(facts['batch_norms'], 'layer')} synchronised, two sums each a step (train.batch_norm: per_replica: none)",
        "data": f"{facts['images']:,} images, {size(facts['stored_bytes'])} in {files}; a node reads {size(facts['read_bytes_per_s_of_a_node'])}/s",
        "shuffle": f"by the index a batch is of {mixed}, for {reads}; {READ_TOGETHER} files of each node at a time: of {unmixed}",
        "steps": f"{facts['steps']:,}, {words.duration(facts['work_s'])} without failures",
    }


def _safety(facts: Mapping[str, Any], cluster: Cluster) -> dict[str, str]:
    """What fails, and what is done against it."""
    alone = f"of one accelerator: {cluster.mtbf_s / 3600:,.0f} h"
    written = f"{words.size(facts['checkpoint_bytes'])}, {_time(facts['checkpoint_s'])} to write"
    best = f"{words.duration(facts['daly_s'])} (Daly; Young: {words.duration(facts['young_s'])})"
    return {
        "failures": f"{facts['failures_a_day']:.3g} a day, one in {words.duration(facts['mtbf_s'])} ({alone})",
        "checkpoints": f"{written}; best every {best}: train.checkpoint_every_steps={facts['checkpoint_every_steps']}",
        "in all": f"{words.duration(facts['whole_s'])}, of which {words.percent(facts['goodput'])} is work that lasts",
    }


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else words.duration(seconds)
