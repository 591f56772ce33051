"""A tracker's process: follows the diary of a run, tells the tracker what is new in it, and notes how far it is told.

    python -m kvision.engine.trackers.follow NAME RUN PARENT

It ends after the event that says how the run ended; PARENT 0: at the diary's end, for a run that nobody trains.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision.core import tether
from kvision.engine import runfolder
from kvision.engine.journal import EVENTS
from kvision.engine.trackers import FOLDER, Facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision.engine.trackers import Tracker

POLL_S = 0.5
"""Seconds between two looks at the diary."""
RUNNING = "running/"
"""What the figures within an epoch begin with, as in TensorBoard."""


def main(name: str, run: str, parent: str) -> None:
    """Follows a run to its end.

    Args:
        name: The tracker.
        run: The run folder.
        parent: Process id of the training, with which this one ends; 0: nobody trains.
    """
    if parent != "0":
        tether.to(int(parent), gently=True)
    run_dir = Path(run)
    note = run_dir / FOLDER / f"{name}.json"
    told: dict[str, Any] = runfolder.read_json(note) if note.exists() else {"id": None, "bytes": 0, "status": "interrupted"}
    tracker: Tracker = importlib.import_module(f"kvision.engine.trackers.{name}").open_run(_facts(run_dir, told["id"]))
    status = told["status"]
    for event, end in _events(run_dir / EVENTS, told["bytes"], follow=parent != "0"):
        step, values = figures(event)
        if values:
            tracker.log(step, values)
        status = event["status"] if event["event"] == "finished" else status
        runfolder.write_json(note, {"id": tracker.id, "bytes": end, "status": status})
    tracker.end(status)


def figures(event: dict[str, Any]) -> tuple[int, dict[str, float]]:
    """What an event of the diary has to tell.

    Args:
        event: A line of events.jsonl.

    Returns:
        The step, and figures by name, as in TensorBoard; none where the event is of another kind, and none that are not finite.
    """
    if event["event"] == "epoch_ended":
        values = {name: value for name, value in event["row"].items() if name not in ("epoch", "step")}
    elif event["event"] == "progress":
        values = {f"{RUNNING}{name}": value for name, value in event["means"].items()}
        values |= {f"{RUNNING}{name}": event[name] for name in ("lr", "images_per_s", "wait_share")}
    else:
        values = {}
    return event.get("step", 0), {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def _facts(run_dir: Path, known: str | None) -> Facts:
    values = runfolder.flatten(runfolder.read_json(run_dir / runfolder.RESOLVED)["values"])
    machine = runfolder.read_json(run_dir / runfolder.ENVIRONMENT)
    tags = {"system": values["system"], "precision": machine["precision"], "devices": ", ".join(machine["devices"])}
    tags |= {f"version.{package}": version for package, version in machine["versions"].items()}
    tags |= {"commit": machine["git"]["commit"]} if machine.get("git") else {}
    return Facts(run_dir, {path: value for path, value in values.items() if not path.startswith(("smoke.", "cost."))}, tags, known)


def _events(path: Path, begin: int, *, follow: bool) -> Iterator[tuple[dict[str, Any], int]]:
    """The whole lines from a byte on, each with the byte that it ends at; until the run has ended and is not gone on with, or all there are."""
    ended = False
    with path.open("rb") as file:
        file.seek(begin)
        while True:
            place, line = file.tell(), file.readline()
            if line.endswith(b"\n"):
                event = json.loads(line)
                ended = event["event"] == "finished"
                yield event, file.tell()
            elif follow and not ended:
                file.seek(place)
                time.sleep(POLL_S)
            else:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
