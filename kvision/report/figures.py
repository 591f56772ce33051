"""Figures of the report, drawn once and given out as PNG for the folder and as SVG in the page's own ink for light and dark."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import markupsafe
import matplotlib as mpl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#eab308", "#06b6d4", "#ec4899")
"""One colour a line; readable on white and on near-black."""
_INK = "#123123"  # stands for `currentColor` in SVG; no other part of a figure has this colour
_STYLE: Mapping[str, Any] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.2,
    "legend.frameon": False,
    "legend.fontsize": 9,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color", "grid.color"), _INK),
}


def style() -> Any:
    """A context in which every figure has the report's look."""
    return mpl.rc_context(dict(_STYLE))


def save_png(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG on white, 120 dots an inch, making the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=120, facecolor="white", metadata={"Software": None})


def to_svg(figure: Figure, name: str) -> markupsafe.Markup:
    """The figure as an `<svg>` element to stand inside a page: as wide as its box, transparent, text in the page's colour.

    Args:
        figure: What to draw.
        name: A name that no other figure of the page has; ids inside the SVG derive from it.

    Returns:
        One `<svg>...</svg>` element, which a template takes as it is.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*"(?=[^>]*version=)', r"\1", text, count=2)
    text = re.sub(r'id="([\w.]+_\d+)"', rf'id="{name}-\1"', text)  # only names of groups; nothing refers to them
    return markupsafe.Markup(text.replace(_INK, "currentColor"))  # noqa: S704 - drawn by us; matplotlib escapes what it writes
