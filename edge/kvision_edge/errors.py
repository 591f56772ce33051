"""Errors that a user can cause. Each says what came, what is accepted and what to do."""

from __future__ import annotations


class EdgeError(Exception):
    """Base of every error that is the user's to mend; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(EdgeError):
    """A command or a function was called with arguments that do not fit."""

    exit_code = 2


class BundleError(EdgeError):
    """A bundle, or a file of it, can't be used; nothing of it was executed."""


class RunnerError(EdgeError):
    """There is no interpreter, it is too old for the file, or it failed."""


class PictureError(EdgeError):
    """A picture can't be read."""


class VerifyError(EdgeError):
    """A bundle does not do on this device what its manifest says."""

    exit_code = 4


def line(error: BaseException) -> str:
    """What an error of a library says, in one line of 300 characters at most; its type where it says nothing."""
    return " ".join(str(error).split())[:300] or type(error).__name__
