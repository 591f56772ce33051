"""Progress where there is no terminal: a plain line now and then."""

from __future__ import annotations

import pytest

from kvision.core import progress


def test_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 4.0, 10.0, 12.0, 30.0])  # made; four steps
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Count("counting", 1) as count:
        for done in (1, 2, 3, 4):
            count.of(done, 8)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["counting 2/8  left 30 s", "counting 4/8  left 30 s"]
