"""`kvision track`: tells a tracker of a run that is there already."""

from __future__ import annotations

import sys
from pathlib import Path

from kvision.commands import runs
from kvision.core.errors import RunError
from kvision.engine.actions import track


def run(run_dir: str, name: str) -> None:
    """Tells a tracker what it does not know of a run yet.

    Args:
        run_dir: The run folder.
        name: The tracker.

    Raises:
        UsageError: If there is no such tracker, or its package is not installed.
        RunError: If there is no such run, or the tracker failed.
    """
    track.check([name])
    folder = Path(run_dir)
    runs.require(folder)
    code = track.start(name, folder, 0).wait()
    if code:
        raise RunError(f"{name} has failed (exit code {code}): {track.said(name, folder)}; its words are in {track.log(name, folder)}")
    print(f"{name}: told of {folder}", file=sys.stderr)
