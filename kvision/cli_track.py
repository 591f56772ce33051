"""The command line of trackers of experiments: `track`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import errors


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(track)


def track(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    to: Annotated[str, typer.Option(help="The tracker: mlflow, wandb or trackio.")],
) -> None:
    """Tell a tracker of a run that is there already.

    Sends what the tracker does not know yet: all of a run that was trained without it, or the rest where it failed or was offline.

    Example: kvision track runs/unet --to mlflow
    """
    with errors():
        from kvision.commands import track as command

        command.run(run, to)
