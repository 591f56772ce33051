"""What a sanity test says: the number that was measured, the range that is accepted, and what to try when it lies outside."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True)
class Verdict:
    """The result of one test.

    Attributes:
        name: Of the test.
        status: `warn` is worth a look and no fault; `skip`: the test has nothing to test here.
        message: What was measured; when it is wrong, what may be the reason and what to try.
        value: The number measured; none: nothing was.
        low: Smallest value accepted; none: any.
        high: Largest value accepted; none: any.
        details: More numbers, plain data, for `--json` and the page.
    """

    name: str
    status: Status
    message: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def judge(
    name: str,
    value: float,
    *,
    low: float | None = None,
    high: float | None = None,
    good: str,
    bad: str,
    otherwise: Literal["fail", "warn"] = "fail",
    details: Mapping[str, Any] | None = None,
) -> Verdict:
    """Compares a number with the range that is accepted.

    Args:
        name: Of the test.
        value: The number measured; NaN lies in no range.
        low: Smallest value accepted; none: any.
        high: Largest value accepted; none: any.
        good: The message when it lies within.
        bad: The message when it does not.
        otherwise: The status when it does not.
        details: More numbers.

    Returns:
        The verdict.
    """
    inside = not math.isnan(value) and (low is None or value >= low) and (high is None or value <= high)
    return Verdict(name, "pass" if inside else otherwise, good if inside else bad, value, low, high, details or {})


def skipped(name: str, reason: str) -> Verdict:
    """The verdict of a test that has nothing to test here."""
    return Verdict(name, "skip", reason)
