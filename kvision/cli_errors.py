"""What the command line makes of errors: a message and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from kvision.core.errors import KvisionError

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130


class State:
    """What `kvision -v` set before the command's name was read."""

    verbose = False


@contextmanager
def errors(verbose: bool = False) -> Iterator[None]:
    """Turns the errors that a user can cause into a message and an exit code."""
    try:
        yield
    except KvisionError as error:
        if verbose or State.verbose:
            raise
        print(f"error: {error}" if "\n" not in str(error) else str(error), file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # `kvision list | head`: nobody reads on, and Python must not complain about it when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None


@contextmanager
def computing(verbose: bool) -> Iterator[None]:
    """As `errors`, for commands that load TensorFlow."""
    from kvision.core import quiet

    if not (verbose or State.verbose):
        quiet.install()
    with errors(verbose):
        yield


def validate(recipe: str, overrides: list[str] | None, smoke: bool = False) -> None:
    """Raises a recipe's faults before a command's module loads TensorFlow."""
    from kvision import catalog

    catalog.load(recipe, overrides or [], smoke)
