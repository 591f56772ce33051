"""Runs a command that ends with its parent: `python -m kvision.sweep.tether PARENT COMMAND ...`.

A sweep that is killed can't stop its trainings any more; so the kernel is asked to send them SIGTERM then, upon which they save and end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks the kernel, and becomes the command; it stays asked, for `exec` keeps what is set here."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the kernel was asked
        sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)  # noqa: S606 - the words come from the sweep itself


if __name__ == "__main__":
    main()
