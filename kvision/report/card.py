"""model_card.md: what is known of the model, and blanks for what only its owner knows (Mitchell 2019)."""

from __future__ import annotations

import math
from typing import Any

import jinja2

import kvision
from kvision.core import words
from kvision.report import folder, gallery, page

_MOST_WEAK = 3


def render(run: folder.RunFolder) -> str:
    """The card of one run, Markdown.

    Args:
        run: The run's facts; whatever is empty is left out.

    Returns:
        Markdown; blanks to fill in are `____`.
    """
    columns = (run.evaluation.get("tables") or {}).get("per_class") or {}
    metric, weakest = _weakest(columns, run.class_names)
    templates = jinja2.Environment(  # noqa: S701 - Markdown, read as text
        loader=jinja2.PackageLoader("kvision.report"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.filters["number"] = words.number
    data = run.values.get("data") or {}
    return templates.get_template("model_card.md.j2").render(
        run=run,
        version=getattr(kvision, "__version__", ""),
        headline=run.headline,
        metrics=sorted((run.evaluation.get("metrics") or {}).items()),
        per_class=page.per_class(columns, run.class_names),
        galleries=gallery.galleries(run),
        suspects=gallery.suspects(run),
        source=data.get("source", "unknown"),
        data=[(path, value) for path, value in folder.leaves(run.data) if isinstance(value, int | float | str) and len(str(value)) < 200][:30],
        weakest_metric=metric,
        weakest=weakest,
        command=run.command,
        environment=[(path, value) for path, value in folder.leaves(run.environment) if path != "command"],
    )


def _weakest(columns: dict[str, Any], names: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
    """The metric of the first column and the classes that do worst by it."""
    if not columns:
        return "", []
    metric, values = next(iter(columns.items()))
    known = [(value, name) for value, name in zip(values, names, strict=False) if value is not None and not math.isnan(value)]
    return metric, [(name, words.number(value)) for value, name in sorted(known)[:_MOST_WEAK]]
