"""Files stay whole when the disk refuses, and the message says what to do about it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from kvision.core import disk
from kvision.core.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path


def test_replace_keeps_the_old_bytes_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "index.json"
    disk.replace(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        disk.replace(file, b"new")
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


@pytest.mark.parametrize(
    ("code", "option", "remedy"),
    [
        (errno.ENOSPC, "--run-dir", "free some space, then go on with --resume; the checkpoints before this one are whole"),
        (errno.EIO, "--run-dir", "mend the disk, then go on with --resume; the checkpoints before this one are whole"),
        (errno.EACCES, "--run-dir", "choose a folder that can be written with --run-dir"),
        (errno.ENOSPC, "--out", "free some space, or choose another place with --out"),
        (errno.EROFS, "--out", "choose a folder that can be written with --out"),
    ],
)
def test_the_remedy_fits_the_fault_and_the_command(tmp_path: Path, code: int, option: str, remedy: str) -> None:
    with pytest.raises(RunError) as caught, disk.writing(tmp_path, "the page", option):
        raise OSError(code, os.strerror(code))
    assert str(caught.value) == f"{tmp_path}: the page could not be written: {os.strerror(code)}; {remedy}"


def test_a_reader_that_is_gone_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), disk.writing(tmp_path, "the sweep"):
        raise BrokenPipeError
