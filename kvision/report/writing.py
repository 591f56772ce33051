"""Writes the report of a run into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import RunError
from kvision.report import card, confusion, curves, folder, page

if TYPE_CHECKING:
    from pathlib import Path


def write(run_dir: Path) -> Path:
    """Writes pictures/curves.png, pictures/confusion.png, report.html and model_card.md; see `kvision.report.write`.

    Args:
        run_dir: A run folder.

    Returns:
        Path of report.html.

    Raises:
        RunError: If the folder is not a run, or can't be written.
    """
    run = folder.read(run_dir)
    target = run_dir / "report.html"
    try:
        _pictures(run)
        _replace(run_dir / "model_card.md", card.render(run))
        _replace(target, page.render(run))
    except OSError as error:
        raise RunError(f"{run_dir}: the report can't be written ({error.strerror or error}); free some space or make the folder writable") from error
    return target


def _pictures(run: folder.RunFolder) -> None:
    if run.rows:
        curves.save(run.rows, run.path / "pictures" / "curves.png")
    matrix = (run.evaluation.get("tables") or {}).get("confusion")
    if matrix and len(matrix) == len(run.class_names):
        confusion.save(np.asarray(matrix), run.class_names, run.path / "pictures" / "confusion.png")


def _replace(path: Path, text: str) -> None:
    """Writes beside and renames, so that a report that stands is never left half written."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
