"""How numbers, times, sizes and long lists are written for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def number(value: Any) -> str:
    """A number as a person reads it: whole numbers in groups of three, others with four significant digits; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "—" if value is None else str(value)
    if math.isnan(value):
        return "—"
    if float(value).is_integer() and abs(value) < 1e15 and (isinstance(value, int) or abs(value) >= 1000):
        return f"{int(value):,}"
    return f"{value:.4g}"


def between(low: float | None, high: float | None) -> str:
    """A range as `0.5 to 2`, `at least 0.5`, `at most 2`, or nothing."""
    if low is not None and high is not None:
        return f"{number(low)} to {number(high)}"
    return f"at least {number(low)}" if low is not None else f"at most {number(high)}" if high is not None else ""


def duration(seconds: float | None) -> str:
    """Seconds as `7.2 s`, `4 min 12 s` or `3 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return "—"
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def counted(count: int, noun: str) -> str:
    """`1 epoch`, `2,000 steps`; the plural takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(num_bytes: float) -> str:
    """Bytes as `812 B`, `3.4 MB` (powers of 1000)."""
    value, units = float(num_bytes), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if value >= 100 or units[0] == "B" else f"{value:.1f} {units[0]}"


def percent(share: float | None) -> str:
    """A share as per cent with one digit behind the point."""
    return "—" if share is None or not math.isfinite(share) else f"{100 * share:.1f} %"


def listed(items: Sequence[object], most: int, hint: str = "") -> str:
    """`a, b, c and 4 more`: the first `most` items, and how many are left; `hint` says where to see those."""
    shown = ", ".join(str(item) for item in items[:most])
    return f"{shown} and {len(items) - most} more{hint}" if len(items) > most else shown
