"""`kvision zoo`: the table of shipped recipes and what they came to."""

from __future__ import annotations

import json
from pathlib import Path

from kvision.core import disk
from kvision.core.errors import UsageError
from kvision.report import zoo

_FORMS = {".md": zoo.markdown, ".html": zoo.html}


def run(word: str = "", *, out: str | None = None, json_lines: bool = False) -> None:
    """Renders the zoo.

    Args:
        word: Only recipes in whose name or family it is.
        out: The file to write, `.md` or `.html`; none: Markdown on the standard output.
        json_lines: One JSON object a recipe on the standard output, instead.

    Raises:
        UsageError: If the file's ending says neither, or there is no such recipe.
        RunError: If it can't be written.
    """
    target = Path(out) if out is not None else None
    if target is not None and target.suffix not in _FORMS:
        raise UsageError(f"--out {out}: the ending says what is written; use one of {', '.join(_FORMS)}")
    found = zoo.entries(word)
    if not found:
        raise UsageError(f"no shipped recipe has {word!r} in its name or family; `kvision list` names them")
    if json_lines:
        for entry in found:
            facts = {"recipe": entry.name, "family": entry.family, "stale": entry.stale}
            print(json.dumps(facts | {"receipt": entry.receipt.model_dump(mode="json") if entry.receipt else None}))
    if target is None:
        if not json_lines:
            print(zoo.markdown(found), end="")
        return
    with disk.writing(target, "the zoo", "--out"):
        disk.replace(target, _FORMS[target.suffix](found).encode())
    if not json_lines:
        print(f"zoo: {target}")
