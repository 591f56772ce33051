"""The command line of the export layer: `export`, `serve`, `client`."""

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


class Engine(StrEnum):
    """What serves."""

    auto = "auto"
    embedded = "embedded"
    tensorflow_model_server = "tensorflow_model_server"
    docker = "docker"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (export, serve, client):
        app.command()(command)


def export(
    source: RunSource,
    to: Annotated[
        list[str] | None,
        typer.Option(help="Separated by commas: savedmodel, tflite-fp32, -fp16, -dynamic, -int8, -int8-full, -int16x8, -int4, c-array, or all."),
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


def serve(
    bundles: Annotated[list[str], typer.Argument(metavar="BUNDLE", help="Bundles, folders NAME/1/, or one models.config.")],
    rest_port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port of REST; 0: any that is free.")] = 8501,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port of gRPC; 0: any that is free.")] = 8500,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    engine: Annotated[Engine, typer.Option(help="What serves; auto: tensorflow_model_server, else its docker image, else embedded.")] = Engine.auto,
    max_batch: Annotated[int, typer.Option(min=1, help="Most images computed at a time.")] = 16,
    batch_timeout_ms: Annotated[float, typer.Option(min=0.0, help="How long a request waits for others to be computed with.")] = 1.0,
    image: Annotated[str, typer.Option(help="The docker image; it is never fetched.")] = "tensorflow/serving",
    verbose: Verbose = False,
) -> None:
    """Serve bundles with the REST and gRPC of TensorFlow Serving.

    Ctrl-C lets the requests under way finish.

    Example: kvision serve runs/unet/bundle
    """
    with computing(verbose):
        from kvision.commands import serve as command

        command.run(
            bundles,
            rest_port=rest_port,
            grpc_port=grpc_port,
            host=host,
            engine=engine.value,
            max_batch=max_batch,
            batch_timeout_ms=batch_timeout_ms,
            image=image,
        )


def client(
    url: Annotated[str, typer.Argument(metavar="URL", help="http://HOST:8501/v1/models/NAME, or grpc://HOST:8500/NAME.")],
    inputs: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Image files, folders or globs.")],
    model: Annotated[str | None, typer.Option(help="The model's name, where the URL has none.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for answers.json and pictures; else answers/<n>.")] = None,
    grpc: Annotated[bool, typer.Option("--grpc", help="HOST:PORT alone is gRPC.")] = False,
    signature: Annotated[str, typer.Option(help="The function that takes encoded images.")] = "serving_default",
    chunk: Annotated[int, typer.Option(min=1, help="Images in a request.")] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one request, with all its attempts.")] = 60.0,
    retries: Annotated[int, typer.Option(min=0, help="Attempts after the first.")] = 4,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Send images to a server, and write its answers.

    Example: kvision client http://localhost:8501/v1/models/unet photos/
    """
    with computing(verbose):
        from kvision.commands import client as command

        command.run(
            url,
            inputs,
            model=model,
            out=out,
            grpc=grpc,
            signature=signature,
            chunk=chunk,
            timeout_s=timeout,
            retries=retries,
            json_lines=json_lines,
        )
