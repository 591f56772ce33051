"""Writes the report of a run into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core import disk
from kvision.report import card, curves, evaluation, figures, folder, page

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
    pictures = run.path / "pictures"
    if run.rows:
        curves.save(run.rows, pictures / "curves.png")
    for name, figure in evaluation.draw(run).items():
        figures.save_png(figure, pictures / f"{name}.png")
