"""Maps of grid worlds as a recipe writes them, looked at before anybody walks on them; no TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS = {".": "floor", "#": "wall", "S": "start", "O": "pit", "G": "goal"}
LARGEST = 64


def fault(rows: Sequence[str]) -> str | None:
    """What is wrong with a map.

    Args:
        rows: From top to bottom.

    Returns:
        What came, what is accepted and what to do; none: it can be walked on.
    """
    if not rows or not rows[0] or len(rows) > LARGEST or len(rows[0]) > LARGEST:
        return f"got {len(rows)} rows of {len(rows[0]) if rows else 0} cells; a map has 1 to {LARGEST} of each"
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            return f"row {number} ({row!r}) has {len(row)} cells and row 1 ({rows[0]!r}) has {len(rows[0])}; make all rows equally long"
        for place, cell in enumerate(row, start=1):
            if cell not in KINDS:
                known = ", ".join(f"{kind!r} {what}" for kind, what in KINDS.items())
                return f"row {number} has {cell!r} at place {place}; a map is made of {known}"
    text = "".join(rows)
    starts = {place for place, cell in enumerate(text) if cell == ("S" if "S" in text else ".")}
    if not starts:
        return "there is neither a start 'S' nor floor '.' to begin on; put one in"
    if "G" not in text:
        return "there is no goal 'G'; put one in"
    for start in sorted(starts):
        if not _leads_to_a_goal(text, len(rows[0]), start):
            down, right = divmod(start, len(rows[0]))
            return f"no way leads from the start at row {down + 1}, place {right + 1} to a goal; open a wall"
    return None


def _leads_to_a_goal(text: str, columns: int, start: int) -> bool:
    seen, reached = {start}, [start]
    while reached:
        cell = reached.pop()
        if text[cell] == "G":
            return True
        beside = [cell - columns, cell + columns, *([cell - 1] if cell % columns else []), *([cell + 1] if (cell + 1) % columns else [])]
        new = {place for place in beside if 0 <= place < len(text) and text[place] in ".SG"} - seen
        seen |= new
        reached += new
    return False
