"""The command line of the page in the browser: `ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from kvision.cli_errors import errors
from kvision.cli_options import Verbose  # noqa: TC001 - typer reads it


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(ui)


def ui(
    folder: Annotated[str, typer.Argument(metavar="RUNS", help="The folder that holds the run folders.")] = "runs",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0: any that is free.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0: all of this machine's, without a password.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open the page in a browser.")] = True,
    verbose: Verbose = False,
) -> None:
    """Look at runs in the browser.

    Live curves, pictures, comparisons, exported files, and their answers to pictures of your own. Ctrl-C ends it.

    Example: kvision ui runs
    """
    with errors(verbose):
        from kvision.commands import ui as command

        command.run(folder, host=host, port=port, browser=browser)
