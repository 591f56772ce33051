"""What a scene shows as far as a sentence can tell: objects with name, colour, size and place, and which statements of these are true.

There are two margins, so that nobody has to argue. References state a size or a relation only if it is clear; a statement is held to be false
only if it is not so at all. In between lies what a person would let pass but need not say.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Self

CLEAR_SHARE, TRUE_SHARE = 0.15, 0.03
"""How far apart the middles of two objects are, as a share of the side, where references say so and where it is true to say so."""
CLEAR_FACTOR = 1.15
"""How many times an object is larger or smaller than usual where references say so."""

_AXES = {"left": (1, -1), "right": (1, 1), "above": (0, -1), "below": (0, 1)}
SIZES = ("small", "large")


@dataclass(frozen=True)
class Thing:
    """An object as it stands in a scene.

    Attributes:
        label: Class, 1..K-1.
        noun: What it is called.
        ink: Name of its colour; empty for a photograph.
        box: ymin, xmin, ymax, xmax of its visible pixels.
    """

    label: int
    noun: str
    ink: str
    box: tuple[int, int, int, int]

    @property
    def length_px(self) -> int:
        """The longer side of its box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True)
class Content:
    """The objects of a scene.

    Attributes:
        things: From the farthest to the nearest.
        side_px: Side of the picture.
        usual_px: Length that parts small objects from large ones.
    """

    things: tuple[Thing, ...]
    side_px: int
    usual_px: float

    def to_json(self) -> str:
        """For `from_json`, which gives an equal one."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave."""
        values: dict[str, Any] = json.loads(text)
        return cls(tuple(Thing(**{**each, "box": tuple(each["box"])}) for each in values.pop("things")), **values)

    def is_so(self, relation: str, one: int, other: int, share: float = TRUE_SHARE) -> bool:
        """Whether the middle of thing number `one` lies on that side of the middle of `other`, by at least this share of the picture's side."""
        axis, sign = _AXES[relation]
        return sign * self._apart(one, other, axis) >= share

    def relation(self, one: int, other: int) -> str:
        """Where thing number `one` lies, seen from `other`, along the axis in which they are farthest apart; empty if that is not clear."""
        down, across = self._apart(one, other, 0), self._apart(one, other, 1)
        if max(abs(down), abs(across)) < CLEAR_SHARE:
            return ""
        if abs(across) > abs(down):
            return "left" if across < 0 else "right"
        return "above" if down < 0 else "below"

    def is_size(self, size: str, thing: Thing) -> bool:
        """Whether it is true to call a thing that."""
        return thing.length_px < self.usual_px if size == "small" else thing.length_px > self.usual_px

    def size(self, thing: Thing) -> str:
        """`small` or `large` if it clearly is, else empty."""
        ratio = thing.length_px / self.usual_px
        return "" if 1 / CLEAR_FACTOR < ratio < CLEAR_FACTOR else "small" if ratio < 1 else "large"

    def alike(self, noun: str = "", ink: str = "", size: str = "") -> tuple[int, ...]:
        """Numbers of the things that a name fits; what is empty fits all."""
        return tuple(k for k, thing in enumerate(self.things) if self.fits(thing, noun, ink, size) == (True, True, True))

    def fits(self, thing: Thing, noun: str, ink: str, size: str) -> tuple[bool, bool, bool]:
        """Whether noun, colour and size are a thing's; what is empty is."""
        return noun in {"", thing.noun}, ink in {"", thing.ink}, not size or self.is_size(size, thing)

    def _apart(self, one: int, other: int, axis: int) -> float:
        a, b = self.things[one].box, self.things[other].box
        return (a[axis] + a[axis + 2] - b[axis] - b[axis + 2]) / (2 * self.side_px)


def usual_px(side_px: int, object_scale: tuple[float, float]) -> float:
    """The length in the middle of those that objects are drawn in, pixels."""
    return side_px * math.sqrt(object_scale[0] * object_scale[1])
