"""The command line of the export layer: `export`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kvision.cli_errors import computing
from kvision.cli_options import Json, RunSource, Verbose, Weights


class Runtime(StrEnum):
    """The oldest interpreter that must run the LiteRT files."""

    tflite_2_14 = "2.14"
    tflite_2_17 = "2.17"
    litert2 = "litert2"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(export)


def export(
    source: RunSource,
    to: Annotated[
        list[str] | None,
        typer.Option(help="Formats, separated by commas: savedmodel, tflite-fp32, -fp16, -dynamic, -int8, -int8-full, -int16x8, -int4, or all."),
    ] = None,
    out: Annotated[str | None, typer.Option(help="The bundle's folder; else bundle/ in the run.")] = None,
    weights: Annotated[Weights, typer.Option(help="Which of the run's weights.")] = Weights.best,
    auto: Annotated[bool, typer.Option("--auto", help="Keep the smallest LiteRT file that holds and is not slower than fp32.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Keep the worst layers of a file that misses its gate in float, until it holds.")] = False,
    qat: Annotated[bool, typer.Option("--qat", help="Fine-tune with quantization before the int8 formats; takes a while.")] = False,
    qat_epochs: Annotated[int, typer.Option(min=1, help="Epochs of --qat.")] = 2,
    calibration: Annotated[int, typer.Option(min=1, help="Training images that int8's ranges are measured on.")] = 200,
    gate: Annotated[list[str] | None, typer.Option(help="Another limit, in points of the metric, such as quantized=2; the report tells.")] = None,
    runtime: Annotated[Runtime, typer.Option(help="The oldest interpreter that must run the LiteRT files.")] = Runtime.litert2,
    batch: Annotated[int, typer.Option(min=1, help="Batch size of the LiteRT files.")] = 1,
    version: Annotated[int | None, typer.Option(min=1, help="The SavedModel's version; else the next.")] = None,
    allow_flex: Annotated[bool, typer.Option("--allow-flex", help="Allow TensorFlow ops, which need the Flex runtime.")] = False,
    time_limit: Annotated[int, typer.Option(min=1, help="Seconds that the conversion of one file may take.")] = 600,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Turn a run into a bundle, and prove every file of it.

    The exit code is 4 when a file misses its gate; it then lies in rejected/.

    Example: kvision export runs/unet --to savedmodel,tflite-fp32,tflite-int8-full
    """
    with computing(verbose):
        from kvision.commands import export as command

        code = command.run(
            source,
            to or [],
            out=out,
            weights=weights.value,
            auto=auto,
            repair=repair,
            qat_epochs=qat_epochs if qat else 0,
            calibration=calibration,
            gates=gate or [],
            runtime=runtime.value,
            batch=batch,
            version=version,
            allow_flex=allow_flex,
            time_limit=time_limit,
            json_lines=json_lines,
        )
    raise typer.Exit(code)
