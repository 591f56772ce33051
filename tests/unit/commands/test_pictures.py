from __future__ import annotations

import pytest

from kvision.commands import pictures
from kvision.core.errors import UsageError


def test_collect(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert [path.as_posix() for path in pictures.collect(["b.jpg", ".", "**/*.jpg"])] == ["b.jpg", "a.png", "deeper/a.jpg"]
    (photos / "empty").mkdir()
    for given, message in [
        ("c.png", r'c\.png: no such file or folder; .*did you mean "a\.png"'),
        ("empty", "no pictures in this folder"),
        ("*.bmp", "no file matches"),
    ]:
        with pytest.raises(UsageError, match=message):
            pictures.collect([given])
    with pytest.raises(UsageError, match="no input"):
        pictures.collect([])
