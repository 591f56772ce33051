"""What the command line makes of errors: a message and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
import typer.core

from kvision.core.errors import KvisionError

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130


class State:
    """What `kvision -v` set before the command's name was read."""

    verbose = False


class Commands(typer.core.TyperGroup):
    """kvision's commands: those that take values of a recipe say so when one comes as an option."""

    def invoke(self, ctx: Any) -> Any:  # noqa: D102 - as in click, of which Typer has a copy
        try:
            return super().invoke(ctx)
        except Exception as error:
            option = str(getattr(error, "option_name", ""))  # of click's NoSuchOption, which some versions of Typer have a copy of
            if option and not getattr(error, "possibilities", None):
                error.message += _as_value(option, error.ctx)  # type: ignore[attr-defined]
            raise


def _as_value(option: str, ctx: typer.Context) -> str:
    """How a value of the recipe is given that came as the option `--epochs`; nothing for commands without them."""
    if not any(each.name == "overrides" for each in ctx.command.params):
        return ""
    from kvision.commands import completion

    name = option.lstrip("-").partition("=")[0].replace("-", "_")
    known = {path.rpartition(".")[2].removesuffix("="): path for path in reversed(completion.overrides("unet", ""))}
    last = name.rpartition(".")[2]
    meant = known.get(last) or known.get(last.partition("_")[0]) or "train.epochs="
    return f". Values of the recipe are given without dashes, such as {meant}3"


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
