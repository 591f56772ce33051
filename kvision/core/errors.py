"""Errors that a user can cause. Each says what came, what is accepted and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class KvisionError(Exception):
    """Base of every error that is the user's to mend; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(KvisionError):
    """A command was called with arguments that do not fit."""

    exit_code = 2


class DataError(KvisionError):
    """A data set, or one file of it, can't be used."""


class RunError(KvisionError):
    """A run folder or a checkpoint can't be used, or can't be written."""


class DivergedError(KvisionError):
    """The loss became NaN or infinite."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe.

    Attributes:
        where: `file:line:col`, or `command line`.
        path: Dotted path of the value, such as `model.depth`.
        message: What came, what is accepted, what to do.
        excerpt: The source line and, on the next line, a caret under the fault; empty when there is no line.
    """

    where: str
    path: str
    message: str
    excerpt: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.path}: {self.message}" if self.path else f"{self.where}: {self.message}"
        return f"{head}\n{self.excerpt}" if self.excerpt else head


class RecipeError(KvisionError):
    """A recipe with one or more problems; all of them are listed."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
