"""What the device knows of a bundle is what the exporter wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision_edge.bundle import digest
from kvision_export import bundle as exporter

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_has_the_sum_that_the_exporter_gives_it(tmp_path: Path) -> None:
    for name in ("b/variables.index", "a.pb", "b/c/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert digest(tmp_path) == exporter.sha256(tmp_path)
    assert digest(tmp_path / "a.pb") == exporter.sha256(tmp_path / "a.pb")
