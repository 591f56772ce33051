"""The command line: names, options and help. Each body imports what it needs, so that `--help` stays quick and errors come before TensorFlow."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision import cli_check, cli_data, cli_export, cli_launch, cli_plan, cli_track, cli_transfer, cli_ui, cli_zoo
from kvision.cli_errors import Commands, State, computing, errors, validate
from kvision.cli_options import (
    AnySource,
    Devices,
    Json,
    Overrides,
    Precision,
    PrecisionOption,
    Recipe,
    RunPrecision,
    Smoke,
    SplitChoice,
    SweepMethod,
    SweepMode,
    SweepPrune,
    Track,
    Verbose,
    Weights,
    Worker,
    Workers,
    complete_override,
    complete_recipe,
    complete_subject,
)

app = typer.Typer(
    name="kvision",
    cls=Commands,
    help="Train vision systems from a short YAML recipe.\n\nExample: kvision train recipes/unet.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
runs_app = typer.Typer(help="List and compare runs.\n\nExample: kvision runs list", no_args_is_help=True, rich_markup_mode=None)
recipe_app = typer.Typer(
    help="Schema and differences of recipes.\n\nExample: kvision recipe diff unet my.yaml", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(runs_app, name="runs")
app.add_typer(recipe_app, name="recipe")
cli_check.register(app)
cli_plan.register(app)
cli_data.register(app)
cli_export.register(app)
cli_launch.register(app)
cli_track.register(app)
cli_transfer.register(app)
cli_ui.register(app)
cli_zoo.register(app)


def main() -> None:
    """Runs the command line; exit codes: 0 ok, 1 an error, 2 a bad recipe or call, 3 diverged, 130 interrupted, 143 ended."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from kvision import __version__

        print(f"kvision {__version__}")
        raise typer.Exit


@app.callback()
def _app(
    verbose: Verbose = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)] = False,
) -> None:
    State.verbose = verbose


@app.command()
def train(
    recipe: Recipe,
    overrides: Overrides = None,
    run_dir: Annotated[str | None, typer.Option(help="Folder of the run; else a new one in runs/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run where it stopped.")] = False,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Bit-identical results on the same machine; slower.")] = False,
    devices: Devices = "auto",
    workers: Workers = "auto",
    worker: Worker = None,
    precision: PrecisionOption = Precision.fp32,
    track: Track = None,
    smoke: Smoke = False,
    data_service: Annotated[
        str | None, typer.Option(help="HOST:PORT of `kvision data serve`, which prepares the batches; else this process does.")
    ] = None,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train a recipe, into a run folder with weights and report.

    Example: kvision train recipes/unet.yaml train.epochs=3 model.width=16
    """
    with computing(verbose):
        validate(recipe, overrides, smoke)
        if track:
            from kvision.engine.actions.track import check

            check(track)
        from kvision.commands import train as command

        code = command.run(
            recipe,
            overrides or [],
            run_dir=run_dir,
            resume=resume,
            deterministic=deterministic,
            devices=devices,
            workers=workers,
            worker=worker,
            precision=precision.value,
            track=track or [],
            smoke=smoke,
            data_service=data_service,
            json_lines=json_lines,
        )
    raise typer.Exit(code)


@app.command("eval")
def evaluate(
    source: AnySource,
    overrides: Overrides = None,
    data: Annotated[
        str | None,
        typer.Option(help="A folder with labels (images/ and masks/, a folder a class, captions) or a recipe to evaluate on; else the run's own."),
    ] = None,
    split: Annotated[SplitChoice, typer.Option(help="Which part of the data.")] = SplitChoice.val,
    weights: Annotated[Weights, typer.Option(help="Which of the run's weights.")] = Weights.best,
    out: Annotated[str | None, typer.Option(help="Folder for tables and pictures; else a new one in eval/ in the run.")] = None,
    devices: Devices = "auto",
    precision: RunPrecision = None,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Evaluate a run or a checkpoint.

    Agents play as many episodes as you like.

    Example: kvision eval runs/unet --split val

    Example: kvision eval runs/ppo data.episodes=200
    """
    with computing(verbose):
        from kvision.commands import evaluate as command

        command.run(
            source,
            data=data,
            split=split.value,
            weights=weights.value,
            out=out,
            json_lines=json_lines,
            devices=devices,
            precision=precision.value if precision else None,
            overrides=overrides or [],
        )


@app.command()
def predict(
    source: AnySource,
    inputs: Annotated[list[str] | None, typer.Argument(metavar="IMAGE", help="Image files, folders or globs; nothing for agents.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for pictures or films, and predictions.json; else predictions/ in the run.")] = None,
    weights: Annotated[Weights, typer.Option(help="Which of the run's weights.")] = Weights.best,
    tile: Annotated[int | None, typer.Option(min=1, help="Pixels of a tile, with data.fit=crop; else 512, for large images only.")] = None,
    overlap: Annotated[int | None, typer.Option(min=0, help="Pixels by which tiles overlap and are blended; else a quarter of the tile.")] = None,
    heatmap: Annotated[bool, typer.Option("--heatmap", help="Classifiers: where the best class is, and the logits of every window.")] = False,
    episodes: Annotated[int | None, typer.Option(min=1, help="Agents: how many to play; else 3.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Agents: of the first episode, the others follow; else 0.")] = None,
    record: Annotated[str | None, typer.Option(help="Agents: write the steps of 20 episodes, or --episodes, to this .npz; no films.")] = None,
    devices: Devices = "auto",
    precision: RunPrecision = None,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Predict on images of any size; agents play.

    An episode becomes a GIF, and an MP4 where imageio-ffmpeg is installed.

    Example: kvision predict runs/unet photos/ --out predictions

    Example: kvision predict runs/ppo --episodes 5 --seed 100
    """
    with computing(verbose):
        from kvision.commands import predict as command

        command.run(
            source,
            inputs or [],
            out=out,
            weights=weights.value,
            tile=tile,
            overlap=overlap,
            heatmap=heatmap,
            episodes=episodes,
            seed=seed,
            record=record,
            json_lines=json_lines,
            devices=devices,
            precision=precision.value if precision else None,
        )


@app.command()
def sweep(
    recipe: Recipe,
    space: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=SPACE",
            help="What is searched, such as 'optim.lr=log(1e-4, 1e-1)', and values that are held: train.epochs=3.",
            autocompletion=complete_override,
        ),
    ] = None,
    space_file: Annotated[str | None, typer.Option("--space", help="A YAML file with more of them, one a line: `optim.lr: log(1e-4, 1e-1)`.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trainings in all, those before a resumption included.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time.")] = 1,
    study: Annotated[str | None, typer.Option(help="Folder of the sweep; else runs/sweeps/RECIPE. The same command goes on with it.")] = None,
    method: Annotated[SweepMethod, typer.Option(help="How values are chosen.")] = SweepMethod.tpe,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of coarse-to-fine, each a third as wide as the one before.")] = 3,
    prune: Annotated[SweepPrune, typer.Option(help="How trials without prospects are found and stopped.")] = SweepPrune.median,
    metric: Annotated[str | None, typer.Option(help="Column of metrics.csv that counts; else the system's own.")] = None,
    mode: Annotated[SweepMode | None, typer.Option(help="Whether its greatest or smallest value is the best.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search; that of the trainings is train.seed.")] = 0,
    storage: Annotated[str | None, typer.Option(help="URL of a database that many machines share; else SQLite in the folder.")] = None,
    devices: Devices = "auto",
    precision: PrecisionOption = Precision.fp32,
    smoke: Smoke = False,
    json_lines: Json = False,
    verbose: Verbose = False,
) -> None:
    """Search for the values with which a recipe is best.

    Spaces: log(1e-4, 1e-1), uniform(0, 0.5), int(2, 5), logint(8, 256), choice(adamw, sgd).

    Example: kvision sweep recipes/unet.yaml 'optim.lr=log(1e-4, 1e-1)' 'model.width=choice(8, 16, 32)' --trials 20
    """
    with errors(verbose):
        from kvision.commands import sweep as command

        code = command.run(
            recipe,
            space or [],
            space_file=space_file,
            study=study,
            metric=metric,
            mode=mode.value if mode else None,
            json_lines=json_lines,
            trials=trials,
            jobs=jobs,
            method=method.value,
            rounds=rounds,
            prune=prune.value,
            seed=seed,
            storage=storage,
            devices=devices,
            precision=precision.value,
            smoke=smoke,
        )
    raise typer.Exit(code)


@app.command("list")
def list_(
    family: Annotated[str | None, typer.Argument(metavar="FILTER", help="Only names that hold this word, such as a family.")] = None,
    json_lines: Json = False,
) -> None:
    """List systems, sources and recipes.

    Example: kvision list segmentation
    """
    with errors():
        from kvision.commands import listing

        listing.run_list(family, json_lines=json_lines)


@app.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="NAME", help="A system, a source, a recipe or a run folder.", autocompletion=complete_subject)],
    overrides: Overrides = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Every value of a recipe with its origin.")] = False,
    smoke: Smoke = False,
    json_lines: Json = False,
) -> None:
    """Show options of a system or source, or a recipe's values.

    Example: kvision show segmentation/unet

    Example: kvision show recipes/unet.yaml train.epochs=3 --resolved
    """
    with errors():
        from kvision.commands import listing

        listing.run_show(subject, overrides or [], resolved=resolved, smoke=smoke, json_lines=json_lines)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A new system's id, a new recipe's file (.yaml), or a folder of pictures.")],
    base: Annotated[
        str | None,
        typer.Option("--from", help="For a recipe: the one to begin with; else unet, or what fits the folder.", autocompletion=complete_recipe),
    ] = None,
) -> None:
    """Begin a new system, or a new recipe.

    A system gets its file, its recipe and a placeholder for its golden numbers; a recipe is a copy of a shipped one, and for a folder of pictures it
    has these as its data: masks, classes or captions are told from what lies there. Nothing is overwritten.

    Example: kvision new segmentation/my_net

    Example: kvision new my_unet.yaml --from unet

    Example: kvision new pictures/flowers
    """
    with errors():
        from kvision.commands import new as command

        command.run(name, base=base)


@app.command()
def doctor(json_lines: Json = False) -> None:
    """Print versions, devices and conflicts.

    The exit code is 1 when something does not fit together.

    Example: kvision doctor
    """
    with errors():
        from kvision.commands import doctor as command

        raise typer.Exit(command.run(json_lines=json_lines))


@runs_app.command("list")
def runs_list(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder that holds the runs.")] = "runs",
    json_lines: Json = False,
) -> None:
    """List runs with their status and best metric.

    Example: kvision runs list
    """
    with errors():
        from kvision.commands import runs

        runs.list_runs(folder, json_lines=json_lines)


@runs_app.command("compare")
def runs_compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Two run folders or more.")],
    out: Annotated[str | None, typer.Option(help="Where to write the page with the curves.")] = None,
    json_lines: Json = False,
) -> None:
    """Compare runs: metrics, curves, differing values.

    Example: kvision runs compare runs/unet runs/unet-2
    """
    with errors():
        from kvision.commands import runs as command

        command.compare(runs, out=out, json_lines=json_lines)


@recipe_app.command("schema")
def recipe_schema(out: Annotated[str | None, typer.Option(help="File to write; else stdout.")] = None) -> None:
    """Print the JSON schema of recipes, for editors.

    Example: kvision recipe schema --out recipe.schema.json
    """
    with errors():
        from kvision.commands import recipe

        recipe.schema(out)


@recipe_app.command("diff")
def recipe_diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A recipe or a run folder.", autocompletion=complete_recipe)],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.", autocompletion=complete_recipe)],
    json_lines: Json = False,
) -> None:
    """Print the values in which two recipes or runs differ.

    The exit code is 0 when none do and 1 when some do, as with `diff`.

    Example: kvision recipe diff unet my_unet.yaml
    """
    with errors():
        from kvision.commands import recipe

        raise typer.Exit(recipe.diff(first, second, json_lines=json_lines))
