"""What a file that grows by lines got since it was last read: nothing is read twice, and a file that was replaced is read anew."""

from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision.engine import journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STEPS = ("step", "loss", "lr")
"""What is drawn of the progress lines of events.jsonl."""


@dataclass(frozen=True)
class News:
    """The whole lines that are new.

    Attributes:
        lines: Without their ends.
        token: To be given the next time.
        fresh: Whether they begin with the file's first, so that what was known before is to be forgotten.
    """

    lines: tuple[str, ...]
    token: str
    fresh: bool


def read(path: Path, token: str = "") -> News:
    """Reads on.

    A resumed run replaces its metrics.csv by one that ends at its checkpoint; the token names the file as well as the place in it.

    Args:
        path: The file; nothing is new where it is missing.
        token: Of the last time; empty, or of another file: from the beginning.

    Returns:
        What is new.
    """
    try:
        file = path.open("rb")
    except OSError:
        return News((), "", not token)
    with file:
        facts = os.fstat(file.fileno())
        inode, _, place = token.partition("-")
        known = inode == str(facts.st_ino) and place.isascii() and place.isdigit() and len(place) < 20 and int(place) <= facts.st_size
        start = int(place) if known else 0
        file.seek(start)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return News(tuple(whole.decode("utf-8", "replace").splitlines()), f"{facts.st_ino}-{start + len(whole)}", start == 0)


def epochs(run_dir: Path, token: str) -> dict[str, Any]:
    """The new rows of metrics.csv.

    Args:
        run_dir: The run folder.
        token: Of the last time.

    Returns:
        `token`, `fresh`, `rows`, and where they are fresh `columns`; numbers that are none are null.
    """
    news = read(run_dir / journal.METRICS, token)
    rows = list(csv.reader(news.lines))
    columns = rows.pop(0) if news.fresh and rows else []
    return _told(news, [[_number(cell) for cell in row] for row in rows], columns)


def steps(run_dir: Path, token: str) -> dict[str, Any]:
    """The new progress lines of events.jsonl, as `epochs`."""
    news = read(run_dir / journal.EVENTS, token)
    rows = [[_number(event.get(name)) for name in STEPS] for event in map(_progress, news.lines)]
    return _told(news, [row for row in rows if row[0] is not None and row[1] is not None], STEPS)


def progress(run_dir: Path) -> dict[str, Any]:
    """The last progress line; empty before there is one. Only the end of the file is read."""
    path = run_dir / journal.EVENTS
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - (1 << 16)))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return next(filter(None, map(_progress, reversed(lines))), {})


def _told(news: News, rows: list[list[Any]], columns: Sequence[str]) -> dict[str, Any]:
    return {"token": news.token, "fresh": news.fresh, "rows": rows, **({"columns": list(columns)} if news.fresh else {})}


def _progress(line: str) -> dict[str, Any]:
    """A progress line with its mean `loss`; empty for other lines."""
    try:
        found = json.loads(line) if '"progress"' in line else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("event") != "progress":
        return {}
    means = found.get("means")
    return {**found, **means} if isinstance(means, dict) else found


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (OverflowError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
