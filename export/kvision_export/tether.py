"""Ties a child process to its parent: it ends with it, even where that is killed and can't stop it any more."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def to(parent: int) -> None:
    """Asks the kernel to kill this process as soon as its parent is gone; where there is no Linux, nothing is asked.

    Args:
        parent: The parent's process id, as it says itself: by the time the child asks, it may be gone.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
