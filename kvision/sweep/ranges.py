"""What one option may be while it is searched: a range of numbers, even or logarithmic, or a list of choices."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

EDGE = 0.05
"""The share of a range at either end that counts as its edge."""
WIDENED_WITHIN = 0.25
"""How far from half its width a range may grow for the sake of a round number, as a share of that width."""
FEWEST_ORDERED = 3
"""Fewest numbers in a list of choices that has an edge: of two, either one is always at the end."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: The smallest.
        high: The greatest.
        log: Whether equal ratios, not equal differences, are equally likely.
        whole: Whether only whole numbers are meant.
        step: Distance of two whole numbers.
        points: How many evenly spaced numbers a grid takes; none: every whole number.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: int = 1
    points: int | None = None

    def __str__(self) -> str:
        name = ("logint" if self.log else "int") if self.whole else ("log" if self.log else "uniform")
        more = [str(self.step)] if self.step > 1 else [str(self.points)] if self.points else []
        ends = [str(int(end)) if self.whole else f"{end:.12g}" for end in (self.low, self.high)]
        return f"{name}({', '.join([*ends, *more])})"

    @property
    def ends(self) -> tuple[float, ...]:
        """Values that stand for all: what the schema takes at both ends it takes between them, too, as a rule."""
        return (self.low, self.high)

    @property
    def grid(self) -> Sequence[float] | None:
        """Every value that a grid takes; none when nobody said how many."""
        if self.points:
            return [self.at(place / (self.points - 1)) for place in range(self.points)]
        return range(int(self.low), int(self.high) + 1, self.step) if self.whole else None

    @property
    def size(self) -> int | None:
        """How many values there are; none: more than can be counted."""
        return (int(self.high) - int(self.low)) // self.step + 1 if self.whole else None

    def holds(self, value: float) -> bool:
        """Whether it is one of the values."""
        return self.low <= value <= self.high and (not self.whole or (value - self.low) % self.step == 0)

    def place(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`."""
        low, high, at = (math.log(number) if self.log else number for number in (self.low, self.high, value))
        return (at - low) / (high - low)

    def at(self, place: float) -> float:
        """The value at a place: the inverse of `place`, on the nearest whole number where only those are meant."""
        place = min(max(place, 0.0), 1.0)
        value = self.low * (self.high / self.low) ** place if self.log else self.low + (self.high - self.low) * place
        if self.whole:
            return int(self.low) + self.step * min(round((value - self.low) / self.step), (int(self.high) - int(self.low)) // self.step)
        return min(max(value, self.low), self.high)

    def draw(self, chance: random.Random) -> float:
        """A random value, in log space if that is the range's."""
        if self.whole and not self.log:
            return chance.randrange(int(self.low), int(self.high) + 1, self.step)
        return self.at(chance.random())

    def around(self, values: Sequence[Any], share: float) -> Range:
        """The part of this range around the best value.

        Args:
            values: The best values so far, the very best first; at least one.
            share: How much of the range is left, 0..1.

        Returns:
            A range of `share` of this one's width with the best in its middle, or moved so far that it does not stick out.
        """
        first = min(max(self.place(values[0]) - share / 2, 0.0), 1.0 - share)
        low, high = self.at(first), self.at(first + share)
        if self.whole and low == high:  # narrower than one step: the neighbours stay in reach
            low, high = max(low - self.step, self.low), min(high + self.step, self.at(1.0))
        return replace(self, low=low, high=high, points=None)

    def edge(self, value: float) -> int:
        """-1 when a value lies at the lower edge, 1 at the upper one, else 0."""
        place = self.place(value)
        last = self.place(self.at(1.0))  # a step may end before `high`
        if self.whole:
            return -1 if value <= self.low else 1 if place >= last else 0
        return -1 if place <= EDGE else 1 if place >= 1 - EDGE else 0

    def widened(self, side: int) -> Range:
        """The same range grown by about half its width at one side (-1: the lower one), to a round number; itself where whole numbers end."""
        place = -0.5 if side < 0 else 1.5
        end = self.low * (self.high / self.low) ** place if self.log else self.low + (self.high - self.low) * place
        if not self.whole:
            rounded = (float(f"{end:.{digits}g}") for digits in range(1, 18))  # a narrow range takes more digits, or it would not grow
            end = next((number for number in rounded if abs(self.place(number) - place) <= WIDENED_WITHIN), end)
        elif side < 0:
            end = max(min(round(end), int(self.low) - self.step), 1 if self.log else -math.inf)
        else:
            end = max(round(end), int(self.high) + self.step)
        return replace(self, low=end) if side < 0 else replace(self, high=end)


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        values: Plain data, no two alike.
    """

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"choice({', '.join(_word(value) for value in self.values)})"

    @property
    def ends(self) -> tuple[Any, ...]:
        """Every value, for each may be wrong in its own way."""
        return self.values

    @property
    def grid(self) -> Sequence[Any]:
        """Every value."""
        return self.values

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.values)

    def holds(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.values

    def place(self, value: Any) -> float:
        """Where a value stands in the list, 0 for the first and 1 for the last."""
        return self.values.index(value) / max(len(self.values) - 1, 1)

    def draw(self, chance: random.Random) -> Any:
        """One of them, all equally likely."""
        return chance.choice(self.values)

    def around(self, values: Sequence[Any], share: float) -> Choice:
        """The choices that occur among the best values, in their order."""
        return Choice(tuple(value for value in self.values if value in values))

    def edge(self, value: Any) -> int:
        """-1 for the smallest of three numbers or more, 1 for the greatest, else 0: other lists have no edge."""
        numbers = [each for each in self.values if isinstance(each, int | float) and not isinstance(each, bool)]
        if len(numbers) < max(len(self.values), FEWEST_ORDERED):
            return 0
        return -1 if value == min(numbers) else 1 if value == max(numbers) else 0


Parameter = Range | Choice


def _word(value: Any) -> str:
    """A value as a person types it."""
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value)
