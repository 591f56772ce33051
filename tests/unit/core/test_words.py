"""How numbers, times, sizes and lists read."""

from __future__ import annotations

from typing import Any

import pytest

from kvision.core import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (1e-7, "1e-07"),
        (2.0, "2"),
        (5e4, "50,000"),
        (None, "—"),
        (float("nan"), "—"),
        (True, "True"),
        ("x", "x"),
    ],
)
def test_numbers(value: Any, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.24, "7.2 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (252, "4 min 12 s"), (11100, "3 h 05 min"), (None, "—"), (float("inf"), "—")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("num_bytes", "text"), [(812, "812 B"), (3_400_000, "3.4 MB"), (128_000, "128 kB"), (2e15, "2000 TB")])
def test_sizes(num_bytes: float, text: str) -> None:
    assert words.size(num_bytes) == text


def test_shares() -> None:
    assert [words.percent(share) for share in (0.0512, 1.0, None, float("nan"))] == ["5.1 %", "100.0 %", "—", "—"]


def test_long_lists_are_cut() -> None:
    assert words.listed([1, 2, 3], 3) == "1, 2, 3"
    assert words.listed("abcde", 3) == "a, b, c and 2 more"
    assert words.listed("abcd", 3, ", see `kvision list`") == "a, b, c and 1 more, see `kvision list`"


def test_a_count_has_its_plural() -> None:
    assert [words.counted(count, "epoch") for count in (0, 1, 2, 1234)] == ["0 epochs", "1 epoch", "2 epochs", "1,234 epochs"]


def test_ranges() -> None:
    ends = [(0.5, 2.0), (0.5, None), (None, 2000), (None, None)]
    assert [words.between(*end) for end in ends] == ["0.5 to 2", "at least 0.5", "at most 2,000", ""]
