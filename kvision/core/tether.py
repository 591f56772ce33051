"""Ties a child process to its parent: it ends with it, even where that is killed and can't stop it any more.

A child of ours calls `to`; any other command is run by `python -m kvision.core.tether PARENT COMMAND ...`, which ties itself and becomes the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def to(parent: int, *, gently: bool = False) -> None:
    """Asks the kernel to end this process as soon as its parent is gone; where there is no Linux, nothing is asked.

    Args:
        parent: The parent's process id, as it says itself: by the time the child asks, it may be gone.
        gently: By SIGTERM, upon which a training saves and ends; else by SIGKILL.
    """
    if sys.platform != "linux":
        return
    last = signal.SIGTERM if gently else signal.SIGKILL
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, last)
    if os.getppid() != parent:
        os.kill(os.getpid(), last)


def _main() -> None:
    """Ties this process gently, and becomes the command; it stays tied, for `exec` keeps what the kernel was asked."""
    parent, *command = sys.argv[1:]
    to(int(parent), gently=True)
    os.execv(command[0], command)  # noqa: S606 - the words come from the process that asked


if __name__ == "__main__":
    _main()
