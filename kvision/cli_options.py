"""The options that commands share: their types, help texts and shell completion."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Precision(StrEnum):
    """Number format of the computation."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Weights(StrEnum):
    """Which of a run's weights."""

    best = "best"
    last = "last"
    ema = "ema"


class SplitChoice(StrEnum):
    """Which part of the data."""

    train = "train"
    val = "val"
    test = "test"


class SweepMethod(StrEnum):
    """How a sweep chooses values."""

    tpe = "tpe"
    random = "random"
    grid = "grid"
    coarse_to_fine = "coarse-to-fine"


class SweepPrune(StrEnum):
    """How a sweep finds trials without prospects."""

    median = "median"
    hyperband = "hyperband"
    none = "none"


class SweepMode(StrEnum):
    """Which values of a metric are the best."""

    max = "max"
    min = "min"


def complete_recipe(incomplete: str) -> list[str]:
    """Recipe files here and shipped recipes by name."""
    from kvision.commands import completion

    return completion.recipes(incomplete)


def complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    """Option paths of the recipe that stands on the line."""
    from kvision.commands import completion

    return completion.overrides(str(ctx.params.get("recipe") or ""), incomplete)


def complete_subject(incomplete: str) -> list[str]:
    """Systems, sources and recipes."""
    from kvision import catalog
    from kvision.commands import completion

    return [*(name for name in [*catalog.systems(), *catalog.sources()] if name.startswith(incomplete)), *completion.recipes(incomplete)]


Recipe = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe's file, or the name of a shipped one, such as unet.", autocompletion=complete_recipe)
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values that replace the recipe's, such as train.epochs=3.", autocompletion=complete_override),
]
Devices = Annotated[str, typer.Option(help="auto, cpu, cpu:2 (two logical CPUs), gpu, gpu:0,1, tpu.")]
Workers = Annotated[
    str, typer.Option(help="Processes that train together: auto (TF_CONFIG if it is set), none, tf_config, slurm, or HOST:PORT,HOST:PORT.")
]
Worker = Annotated[int | None, typer.Option(min=0, help="Which of the addresses in --workers this process is, from 0.")]
PrecisionOption = Annotated[Precision, typer.Option(help="Number format of the computation.")]
RunPrecision = Annotated[Precision | None, typer.Option(help="Number format of the computation; else the training's.")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        envvar="KVISION_TRACK",
        help="Tell this tracker, too: mlflow, wandb or trackio; more than once for more. Whatever happens to it, training goes on.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, for machines.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Apply the recipe's smoke section: runs in seconds.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="TensorFlow's own messages, and tracebacks of errors.")]
AnySource = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, one of its checkpoints, or what was exported: a bundle, a SavedModel, a .tflite.")
]
RunSource = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, one of its checkpoints, or its model.keras.")]
