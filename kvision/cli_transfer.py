"""The command line of what weights from elsewhere are worth: `transfer-curve`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import computing, validate
from kvision.cli_options import Devices, Json, Precision, PrecisionOption, Recipe, Smoke, Verbose, complete_override


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("transfer-curve")(transfer_curve)


def transfer_curve(
    recipe: Recipe,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Values that replace the recipe's; METHOD:KEY=VALUE those of one method, such as fine_tune:optim.lr=1e-4.",
            autocompletion=complete_override,
        ),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Weights to begin with: a run's folder, a file, or imagenet; else the recipe's.")] = None,
    samples: Annotated[str, typer.Option(help="Training examples of each class.")] = "1,5,10,50,all",
    methods: Annotated[str, typer.Option(help="Some of scratch, linear_probe, knn, freeze, fine_tune.")] = "scratch,linear_probe,knn,fine_tune",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each; a seed also draws the examples.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Fewest steps of a training: few examples are shown more often.")] = 100,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time.")] = 1,
    out: Annotated[str | None, typer.Option(help="Folder; else runs/transfer/RECIPE. The same command goes on with it.")] = None,
    devices: Devices = "auto",
    precision: PrecisionOption = Precision.fp32,
    smoke: Smoke = False,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Draw error against training examples, by method.

    Trains each method on some examples of each class, validated on the same others, and writes curves.json, a picture and a page.

    Example: kvision transfer-curve my.yaml --weights imagenet --samples 1,5,10,all --seeds 3
    """
    with computing(verbose):
        validate(recipe, None, smoke)
        from kvision.commands import transfer_curve as command

        code = command.run(
            recipe,
            overrides or [],
            weights=weights,
            methods=methods,
            samples=samples,
            out=out,
            jobs=jobs,
            json_lines=json_lines,
            seeds=seeds,
            steps=steps,
            devices=devices,
            precision=precision.value,
            smoke=smoke,
        )
    raise typer.Exit(code)
