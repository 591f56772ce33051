"""The command line of data: `kvision data check`, `show`, `pack`, `verify`, `time`, `serve`, `cache`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kvision.cli_errors import computing, errors, validate
from kvision.cli_options import Devices, Json, Overrides, Precision, PrecisionOption, Recipe, Smoke, Verbose


class Form(StrEnum):
    """Files that `kvision data pack` writes."""

    tfrecord = "tfrecord"
    array_record = "array_record"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    about = "Check a recipe's data, look at it, pack it, serve it.\n\nExample: kvision data check recipes/unet.yaml"
    group = typer.Typer(help=about, no_args_is_help=True, rich_markup_mode=None)
    for command in (check, show, time, pack, verify, serve, cache):
        group.command()(command)
    app.add_typer(group, name="data")


def check(recipe: Recipe, overrides: Overrides = None, json_lines: Json = False, verbose: Verbose = False) -> None:
    """Look for faults in a recipe's data.

    Names each file at fault, with counts; the exit code is 1 when there are any.

    Example: kvision data check my.yaml
    """
    with computing(verbose):
        validate(recipe, overrides)
        from kvision.commands import data

        data.check(recipe, overrides or [], json_lines=json_lines)


def show(
    recipe: Recipe,
    overrides: Overrides = None,
    out: Annotated[str, typer.Option(help="The HTML page to write.")] = "data.html",
    count: Annotated[int, typer.Option(min=1, max=200, help="How many examples.")] = 12,
    verbose: Verbose = False,
) -> None:
    """Write a page of examples, as they are and augmented.

    Example: kvision data show recipes/unet.yaml --out data.html
    """
    with computing(verbose):
        validate(recipe, overrides)
        from kvision.commands import data

        data.show(recipe, overrides or [], out=out, count=count)


def time(
    recipe: Recipe,
    overrides: Overrides = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each stage is measured.")] = 3.0,
    devices: Devices = "auto",
    precision: PrecisionOption = Precision.fp32,
    smoke: Smoke = False,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Measure where the time of a training goes.

    Reading, decoding, augmenting, the way to the device, the step; and what there should be more of. Writes nothing.

    Example: kvision data time recipes/resnet.yaml
    """
    with computing(verbose):
        validate(recipe, overrides, smoke)
        from kvision.commands import timing

        timing.run(recipe, overrides or [], seconds=seconds, devices=devices, precision=precision.value, smoke=smoke, json_lines=json_lines)


def pack(
    recipe: Recipe,
    overrides: Overrides = None,
    out: Annotated[str, typer.Option(help="The folder to write: new or empty, or one that the same command was ended in.")] = "packed",
    per_file: Annotated[int, typer.Option(min=1, help="Examples a file, at most.")] = 1000,
    form: Annotated[Form, typer.Option("--format", help="Kind of files; array_record needs the package array_record.")] = Form.tfrecord,
    verbose: Verbose = False,
) -> None:
    """Write a recipe's labelled pictures into a few large files.

    Every split gets files of its own, with indices and checksums; read them by data.source=tfrecord. A call that was ended goes on where it stopped.

    Example: kvision data pack my.yaml --out packed
    """
    with computing(verbose):
        validate(recipe, overrides)
        from kvision.commands import packing

        packing.pack(recipe, overrides or [], out=out, per_file=per_file, form=form.value)


def verify(folder: Annotated[str, typer.Argument(metavar="FOLDER", help="What `kvision data pack` wrote.")], verbose: Verbose = False) -> None:
    """Compare packed files with their checksums.

    The exit code is 1 when a file is missing or damaged.

    Example: kvision data verify packed
    """
    with computing(verbose):
        from kvision.commands import packing

        packing.verify(folder)


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dispatcher; 0: any that is free.")] = 5050,
    workers: Annotated[int, typer.Option(min=0, max=1024, help="Workers on this machine; each uses all of its cores.")] = 1,
    dispatcher: Annotated[str | None, typer.Option(help="HOST:PORT of a dispatcher that runs already; else one is started.")] = None,
    host: Annotated[str, typer.Option(help="By which name the others reach this machine.")] = "localhost",
    verbose: Verbose = False,
) -> None:
    """Prepare batches for trainings, here or elsewhere.

    By tf.data service; a training asks for them by --data-service. Anyone who reaches the port can use it: keep it inside your own network.

    Example: kvision data serve --port 5050 --workers 2
    """
    with computing(verbose):
        from kvision.commands import serving_data

        serving_data.run(port=port, workers=workers, dispatcher=dispatcher, host=host)


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything that no process uses.")] = False,
    json_lines: Json = False,
) -> None:
    """Show what is kept on disk to save time, and its limit.

    Remote data sets, features, indices; beyond the limit, KVISION_CACHE_GB or 50, the least recently used go first.

    Example: kvision data cache --clear
    """
    with errors():
        from kvision.commands import cached

        cached.run(clear=clear, json_lines=json_lines)
