"""The command line of `kvision plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import computing, validate
from kvision.cli_options import Json, Overrides, Precision, PrecisionOption, Recipe, Smoke, Verbose


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(plan)


def plan(
    recipe: Recipe,
    overrides: Overrides = None,
    devices: Annotated[str, typer.Option(help="auto, cpu, cpu:2, gpu, gpu:0,1; or a number: a cluster of so many accelerators.")] = "auto",
    images: Annotated[float | None, typer.Option(min=1, help="Cluster: training examples, such as 1e9; else the recipe's.")] = None,
    speed: Annotated[float, typer.Option(min=1e-6, help="Cluster: how many times as fast as this machine an accelerator is.")] = 1.0,
    per_node: Annotated[int, typer.Option(min=1, help="Cluster: accelerators in a node.")] = 8,
    inner_gbit_s: Annotated[float, typer.Option(min=1e-3, help="Cluster: of an accelerator within its node, each way.")] = 2400.0,
    link_gbit_s: Annotated[float, typer.Option(min=1e-3, help="Cluster: of a node to the others, each way.")] = 400.0,
    latency_us: Annotated[float, typer.Option(min=0, help="Cluster: of a message between nodes.")] = 10.0,
    overlap: Annotated[float, typer.Option(min=0, max=1, help="Cluster: share of the backward pass behind which sums of gradients hide.")] = 0.0,
    jitter: Annotated[float, typer.Option(min=0, max=1, help="Cluster: deviation of an accelerator's step time, as a share of it.")] = 0.02,
    mtbf_h: Annotated[float, typer.Option(min=1e-3, help="Cluster: hours between two failures of one accelerator.")] = 50_700.0,
    restart_s: Annotated[float, typer.Option(min=0, help="Cluster: from a failure until training goes on.")] = 300.0,
    write_mb_s: Annotated[float, typer.Option(min=1e-3, help="Cluster: at which checkpoints are written.")] = 1000.0,
    image_kb: Annotated[float, typer.Option(min=1e-3, help="Cluster: of a stored picture.")] = 115.0,
    precision: PrecisionOption = Precision.fp32,
    smoke: Smoke = False,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say what a training would cost, here or on a cluster.

    Writes nothing: builds data and model, runs one step, and prints shapes, parameters, memory, multiply-adds, time and disk; for a cluster also
    efficiency, data, failures and checkpoints, by the formulas of docs/scaling.md.

    Example: kvision plan recipes/unet.yaml --devices 256 --images 1e9
    """
    with computing(verbose):
        validate(recipe, overrides, smoke)
        from kvision.commands import plan as command
        from kvision.ops.scaling import Cluster

        cluster = Cluster(
            speed=speed,
            per_node=per_node,
            inner_bandwidth=inner_gbit_s * 1e9 / 8,
            link_bandwidth=link_gbit_s * 1e9 / 8,
            link_latency_s=latency_us / 1e6,
            overlap=overlap,
            jitter=jitter,
            mtbf_s=mtbf_h * 3600,
            restart_s=restart_s,
            write_bandwidth=write_mb_s * 1e6,
            image_bytes=image_kb * 1e3,
        )
        command.run(
            recipe,
            overrides or [],
            devices=devices,
            precision=precision.value,
            smoke=smoke,
            json_lines=json_lines,
            images=images,
            cluster=cluster,
        )
