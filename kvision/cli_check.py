"""The command line of what is done before a long training: `check`, `lr-find`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import computing
from kvision.cli_options import Devices, Json, Overrides, Recipe, RunPrecision, Smoke, Verbose, complete_recipe


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(check)
    app.command("lr-find")(lr_find)


def check(
    recipe: Recipe,
    overrides: Overrides = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps: sees less, in less than half the time.")] = False,
    out: Annotated[str | None, typer.Option(help="Folder for a page with histograms and curves; else nothing is written.")] = None,
    smoke: Smoke = False,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run the sanity tests of a recipe; says what is wrong.

    Initial loss, gradients, activations, overfitting twenty examples, regularisation, update ratio, dead ReLUs, labels and more; each with the
    number measured and the range accepted. The exit code is 1 when a test fails.

    Example: kvision check recipes/unet.yaml --quick
    """
    with computing(verbose):
        from kvision.commands import check as command

        code = command.run(recipe, overrides or [], quick=quick, smoke=smoke, out=out, json_lines=json_lines)
    raise typer.Exit(code)


def lr_find(
    source: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe's file or name; or a run folder, to begin with its weights.", autocompletion=complete_recipe),
    ],
    overrides: Overrides = None,
    low: Annotated[float, typer.Option(help="First learning rate.")] = 1e-6,
    high: Annotated[float, typer.Option(help="Last learning rate.")] = 10.0,
    steps: Annotated[int, typer.Option(min=20, help="Training steps between them.")] = 100,
    out: Annotated[str, typer.Option(help="The picture to write.")] = "lr-find.png",
    smoke: Smoke = False,
    devices: Devices = "auto",
    precision: RunPrecision = None,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find a learning rate; leaves no trace but the picture.

    Trains for some steps with a rate that grows exponentially, and draws how the loss takes it.

    Example: kvision lr-find recipes/unet.yaml
    """
    with computing(verbose):
        from kvision.commands import lr_find as command

        command.run(
            source,
            overrides or [],
            low=low,
            high=high,
            steps=steps,
            out=out,
            smoke=smoke,
            devices=devices,
            precision=precision.value if precision else None,
            json_lines=json_lines,
        )
