"""The command line of trainings by several workers: `launch`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import errors, validate


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("launch", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(launch)


def launch(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=1, help="How many: processes here, nodes, or pods.")],
    slurm: Annotated[bool, typer.Option("--slurm", help="Write a job file for sbatch instead.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Write a job file for kubectl instead.")] = False,
    gpus: Annotated[int, typer.Option(min=0, help="In a job file: GPUs of each worker.")] = 0,
    image: Annotated[str | None, typer.Option(help="In a job file for Kubernetes: the container's image.")] = None,
    out: Annotated[str | None, typer.Option(help="The job file; else stdout.")] = None,
) -> None:
    """Train a recipe by several workers.

    Behind the options of launch come a recipe, values and options as `kvision train` takes them. The workers are processes of this machine,
    which end together, or those of a job file.

    Example: kvision launch --workers 2 recipes/unet.yaml train.epochs=3 --run-dir runs/two

    Example: kvision launch --workers 8 --slurm --gpus 4 --out unet.sbatch recipes/unet.yaml
    """
    with errors():
        if slurm and kubernetes:
            raise typer.BadParameter("one job file at a time", param_hint="--slurm, --kubernetes")
        train = context.parent.command.commands["train"]  # type: ignore[union-attr]
        params = train.make_context("train", list(context.args), parent=context.parent).params
        if params["worker"] is not None:
            raise typer.BadParameter("launch itself says to each worker which one it is", param_hint="--worker")
        validate(params["recipe"], params["overrides"], params["smoke"])
        from kvision.commands import launch as command

        if not (slurm or kubernetes):
            raise typer.Exit(command.here(context.args, workers))
        scheduler: command.Scheduler = "slurm" if slurm else "kubernetes"
        command.write(params["recipe"], context.args, scheduler, workers=workers, gpus=gpus, image=image, out=out)
