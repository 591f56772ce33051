"""Writes the report of a run into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.core import disk
from kvision.report import card, confusion, curves, folder, page, reliability, thresholds

if TYPE_CHECKING:
    from pathlib import Path


def write(run_dir: Path) -> Path:
    """Does what `kvision.report.write` says, which is the front door."""
    run = folder.read(run_dir)
    target = run_dir / "report.html"
    with disk.writing(run_dir, "the report"):
        _pictures(run)
        disk.replace(run_dir / "model_card.md", card.render(run).encode())
        disk.replace(target, page.render(run).encode())
    return target


def _pictures(run: folder.RunFolder) -> None:
    pictures, names, tables = run.path / "pictures", run.class_names, run.evaluation.get("tables") or {}
    if run.rows:
        curves.save(run.rows, pictures / "curves.png")
    matrix, table, found = (tables.get(name) for name in ("confusion", "reliability", "curves"))
    if matrix and len(matrix) == len(names):
        confusion.save(np.asarray(matrix), names, pictures / "confusion.png")
    if table:
        reliability.save(table, pictures / "reliability.png")
    if found and len(found["recall"]) == len(names):
        for kind in thresholds.KINDS:
            thresholds.save(kind, found, tables["per_class"], names, pictures / f"{kind}.png")
