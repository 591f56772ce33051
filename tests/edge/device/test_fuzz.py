"""Damaged and hostile bundles and pictures are refused with a message, or run: nothing crashes, nothing hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.edge.device import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def check(report: fuzz.Report, count: int) -> None:
    assert report.crashed == []
    assert report.hung == []
    assert report.refused + report.ran == count
    assert report.refused > count // 3
    assert report.ran > count // 5


def test_mutated_bundles_and_pictures_are_refused_or_run(made: Callable[[str], Path], tmp_path: Path) -> None:
    for task in fuzz.TASKS:
        (tmp_path / task).symlink_to(made(task))
    check(fuzz.run(tmp_path, 0, 300), 300)


def test_a_crash_and_a_hang_are_seen_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "falls.py"
    script.write_text(
        "import os, sys, time\n"
        "for number in range(int(sys.argv[2]), int(sys.argv[3])):\n"
        "    print('begun', number, flush=True)\n"
        "    os.abort() if number == 2 else time.sleep(60) if number == 4 else print('ran', number, flush=True)\n"
    )
    monkeypatch.setattr(fuzz, "__file__", str(script))
    monkeypatch.setattr(fuzz, "HANGS_S", 1)
    report = fuzz.run(tmp_path, 0, 6)
    assert (report.ran, report.hung) == (4, [4])
    assert [text.split(":")[0] for text in report.crashed] == ["mutation 2, exit -6"]
