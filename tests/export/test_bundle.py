from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from kvision.core.errors import RunError
from kvision_export import bundle

if TYPE_CHECKING:
    from pathlib import Path

DEAD = 2**22 + 1
"""No process has this number: it is above the kernel's highest."""


def test_a_folder_of_something_else_is_not_mixed_with_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match="holds files that are no bundle.*give a new folder"):
        bundle.check(tmp_path)
    with pytest.raises(RunError, match="is a file"):
        bundle.check(tmp_path / "thesis.tex")
    assert bundle.check(tmp_path / "new") is None


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": 1, "name"')
    with pytest.raises(RunError, match=r"manifest.json: is damaged .* or give a new folder"):
        bundle.check(tmp_path)


def test_staging_goes_away_whatever_happens(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    with pytest.raises(KeyboardInterrupt), bundle.staging(out) as folder:
        (folder / "half.tflite").write_bytes(b"x")
        raise KeyboardInterrupt
    assert not out.exists()


def test_what_a_killed_export_left_is_removed_and_a_running_one_is_not(tmp_path: Path) -> None:
    dead, alive = tmp_path / f".staging-{DEAD}", tmp_path / f".staging-{os.getppid()}"
    dead.mkdir()
    alive.mkdir()
    with bundle.staging(tmp_path):
        assert not dead.exists()
        assert alive.exists()


def test_a_folder_s_sum_is_that_of_its_listing(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    lines = f"{hashlib.sha256(b'1').hexdigest()}  a\n{hashlib.sha256(b'2').hexdigest()}  b/two\n"
    assert bundle.sha256(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()
    assert bundle.size(tmp_path) == 2
