"""The command in a process of its own, so that what takes the interpreter down is told, and not only seen as a process that is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Callable

CRASHES = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"})
_PASSED_ON = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_PR_SET_PDEATHSIG = 1


def run(command: Callable[[], int], subject: str) -> int:
    """Runs a command in a fork of this process, which must have one thread; in this process itself where the system knows no forks.

    Args:
        command: Gives an exit code.
        subject: What is run, for the message.

    Returns:
        Its exit code; where a signal ended it, which is then told on the standard error: 1 for a crash, else 128 and the signal's number.
    """
    if not hasattr(os, "fork"):
        return command()
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # until it is settled who gets them
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # never outlives this process, even where that is killed
        return command()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child, too, which ends as it does
    for each in _PASSED_ON:
        signal.signal(each, lambda number, frame: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    print(f"error: {subject}: {reason(number)}", file=sys.stderr)
    return 1 if signal.Signals(number).name in CRASHES else 128 + number


def reason(number: int) -> str:
    """What the signal that ended the command means to the user."""
    name = signal.Signals(number).name
    if name in CRASHES:
        told = "files that `kvision export` made do not do that, so the bundle is damaged or hostile, or the interpreter here is damaged"
        return f"the interpreter crashed ({name}); {told}: copy the bundle again, or give another --interpreter"
    return f"was ended by {name}" + (", as Linux does where memory runs out" if name == "SIGKILL" else "")
