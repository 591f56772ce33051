"""The command line of what recipes come to: `verify`, `zoo`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import errors
from kvision.cli_options import Devices, Json, RunPrecision, complete_recipe


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(verify)
    app.command()(zoo)


def verify(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A recipe's file, or the name of a shipped one, such as unet.", autocompletion=complete_recipe),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings, from the recipe's own seed on.")] = 1,
    under: Annotated[str | None, typer.Option(help="Instead of RECIPE: all shipped ones whose receipts say they take less, such as 5min.")] = None,
    run: Annotated[list[str] | None, typer.Option(help="A finished run of the recipe, judged instead of a new one; more than once for more.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write what comes of it to the recipe's receipt, receipts/NAME.json beside it.")] = False,
    export: Annotated[bool, typer.Option("--export", help="Export the first training, too, so that the receipt has sizes and latencies.")] = False,
    out: Annotated[str | None, typer.Option(help="Folder of the trainings, to go on with; else a new one, runs/verify.")] = None,
    devices: Devices = "auto",
    precision: RunPrecision = None,
    json_lines: Json = False,
) -> None:
    """Train a recipe again; says whether it keeps its promise.

    Compares with what the recipe expects and with its receipt: figure, deviation, time. The exit code is 1 when an expectation is not met or a
    training fails. The precision is the receipt's unless you name one.

    Example: kvision verify rl/value_iteration

    Example: kvision verify --under 1min
    """
    with errors():
        from pathlib import Path

        from kvision.commands import verify as command
        from kvision.core import paths

        plan = command.Plan(
            Path(out) if out is not None else paths.unused(command.NEW),
            seeds=seeds,
            precision=precision.value if precision else None,
            devices=devices,
            export=export,
            write=write,
            json_lines=json_lines,
        )
        code = command.run(recipe, plan, under=under, runs=run or [])
    raise typer.Exit(code)


def zoo(
    word: Annotated[str, typer.Argument(metavar="FILTER", help="Only recipes in whose name or family it is.")] = "",
    out: Annotated[str | None, typer.Option(help="The file to write, .md or .html; else Markdown on stdout.")] = None,
    json_lines: Json = False,
) -> None:
    """Write the table of shipped recipes and what they came to.

    From recipes and their receipts alone: metric, seeds, time, parameters, multiply-adds, sizes, latency and what quantization loses.

    Example: kvision zoo --out zoo.html
    """
    with errors():
        from kvision.commands import zoo as command

        command.run(word, out=out, json_lines=json_lines)
