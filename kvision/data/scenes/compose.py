"""One scene: ground, clutter, objects from back to front, light and grain; every label is exact because it is drawn with the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kvision.data.scenes import ground as grounds
from kvision.data.scenes.content import Thing
from kvision.data.scenes.objects import FIELD_PX, Item, Library

if TYPE_CHECKING:
    from kvision.data.sources.scenes import Options

INKS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.95, 0.5, 0.08),
    "yellow": (0.95, 0.88, 0.15),
    "green": (0.12, 0.62, 0.2),
    "turquoise": (0.1, 0.75, 0.72),
    "blue": (0.12, 0.28, 0.85),
    "purple": (0.52, 0.15, 0.7),
    "pink": (0.96, 0.5, 0.72),
    "brown": (0.45, 0.26, 0.1),
    "white": (0.96, 0.96, 0.95),
    "grey": (0.5, 0.5, 0.52),
    "black": (0.05, 0.05, 0.06),
}
"""Colours of objects by the names that captions use."""
_INKS = np.array(list(INKS.values()), np.float32)

_TRIES = 48
_TRIES_EACH = 8
"""Places tried with one size and turn of an object, before it is drawn smaller."""
_MIN_PX = 4


@dataclass
class Scene:
    """A picture with everything that is known of it; `things` go from the farthest to the nearest.

    Attributes:
        image: uint8 `[S, S, 3]`.
        mask: uint8 `[S, S]`, classes.
        instances: uint8 `[S, S]`, 0 none, else 1 + position in `things`.
        things: The objects.
    """

    image: np.ndarray
    mask: np.ndarray
    instances: np.ndarray
    things: tuple[Thing, ...]


@dataclass
class _Canvas:
    """A scene in the making."""

    image: np.ndarray  # float32 [S, S, 3], 0..1
    instances: np.ndarray  # uint8 [S, S]
    least: list[float] = field(default_factory=lambda: [0.0])  # pixels of each instance that must stay visible
    inks: list[int] = field(default_factory=list)  # colours that objects have
    seen: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))  # visible pixels of each instance

    def put(self, window: tuple[slice, slice], cover: np.ndarray, instance: int) -> bool:
        """Claims the pixels `cover` at `window` for an instance, unless that would hide too much of another; returns whether it did."""
        region = self.instances[window]
        lost = np.bincount(region[cover], minlength=len(self.least))
        if any(lost[k] and self.seen[k] - lost[k] < self.least[k] for k in range(1, len(self.least))):
            return False
        region[cover] = instance
        self.seen[: len(lost)] -= lost
        self.seen[instance] += np.count_nonzero(cover)
        return True


def draw(rng: np.random.Generator, options: Options, library: Library) -> Scene:
    """Draws one scene; what it shows is a function of the generator's state, the options and the library."""
    size = options.size_px
    ground = grounds.ground(rng, size)
    canvas = _Canvas(ground.image, np.zeros((size, size), np.uint8))
    _strew(canvas, rng, options, front=False)
    placed = []
    for _ in range(rng.integers(options.min_objects, options.max_objects + 1)):
        kinds = library.items[rng.integers(len(library.items))]
        item = kinds[rng.integers(len(kinds))]
        ink = _place(canvas, rng, options, item)
        if ink is not None:
            placed.append((item, ink))
    _strew(canvas, rng, options, front=True)
    image = canvas.image * grounds.light(rng, size, options.light)
    image += np.float32(options.noise * rng.uniform(0.3, 1.0)) * grounds.grain(rng, size)
    labels = np.array([0, *(item.label for item, _ in placed)], np.uint8)
    things = tuple(Thing(item.label, item.noun, ink, _box(canvas.instances == k)) for k, (item, ink) in enumerate(placed, start=1))
    return Scene(np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8), labels[canvas.instances], canvas.instances, things)


def _box(seen: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _strew(canvas: _Canvas, rng: np.random.Generator, options: Options, *, front: bool) -> None:
    """Clutter behind or in front of the objects; in front it is thin, and left out where it would hide too much."""
    count = int(rng.integers(0, round(options.clutter * (4 if front else 16)) + 1))
    layer = grounds.clutter(rng, options.size_px, count, width=0.012 if front else 0.03)
    if layer is None:
        return
    if canvas.put((slice(None), slice(None)), layer[..., 3] >= 0.5, 0):
        canvas.image *= 1 - layer[..., 3:]
        canvas.image += layer[..., :3]


def _place(canvas: _Canvas, rng: np.random.Generator, options: Options, item: Item) -> str | None:
    """Draws an object where it hides and loses no more than `overlap` allows; returns its colour's name, or none if no place was found."""
    size = options.size_px
    low, high = options.object_scale
    height = size * low * (high / low) ** rng.random()
    for attempt in range(_TRIES):
        if attempt % _TRIES_EACH == 0:
            height = max(_MIN_PX, height * 0.85 if attempt else height)
            cover, shadow, picture = _turn(rng, options, item, height)
            side = len(cover)
            solid = cover >= 0.5
            least = max(1.0, (1 - options.overlap) * np.count_nonzero(solid))
        top, left = (round(middle - side / 2) for middle in rng.uniform(0.4 * height, size - 0.4 * height, 2).tolist())
        window = (slice(max(0, top), min(size, top + side)), slice(max(0, left), min(size, left + side)))
        inner = (slice(window[0].start - top, window[0].stop - top), slice(window[1].start - left, window[1].stop - left))
        seen = solid[inner]
        if np.count_nonzero(seen) < least or not canvas.put(window, seen, len(canvas.least)):
            continue
        canvas.least.append(least)
        below = canvas.image[window]
        if rng.random() < 0.4:
            below *= 1 - np.float32(rng.uniform(0.15, 0.5)) * shadow[inner][..., None]
        if picture is None:
            ink = _choose_ink(rng, options.contrast, below[seen], canvas.inks)
            canvas.inks.append(ink)
        colour = _paint(rng, ink, seen.shape) if picture is None else picture[inner]
        below += cover[inner][..., None] * (colour - below)
        return list(INKS)[ink] if picture is None else ""
    return None


def _turn(rng: np.random.Generator, options: Options, item: Item, height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """An object scaled, turned and sheared: its cover and soft shadow `[h, h]`, 0..1, and a photograph's colours `[h, h, 3]`."""
    zoom = height / (item.extent * FIELD_PX)  # pixels of the scene for each of the field's
    turn = math.radians(rng.uniform(-options.rotate_deg, options.rotate_deg))
    shear, stretch = rng.uniform(-0.15, 0.15), math.exp(rng.uniform(-0.12, 0.12))
    side = math.ceil(zoom * FIELD_PX * (abs(math.cos(turn)) + abs(math.sin(turn))) * item.extent * 1.15) + 2
    cos, sin = math.cos(turn) / zoom, math.sin(turn) / zoom
    a, b, c, d = (cos + shear * sin) / stretch, (sin - shear * cos) / stretch, -sin * stretch, cos * stretch
    middle, half = FIELD_PX / 2, side / 2
    matrix = (a, b, middle - a * half - b * half, c, d, middle - c * half - d * half)
    resample = Image.Resampling.BILINEAR
    values = np.asarray(item.field.transform((side, side), Image.Transform.AFFINE, matrix, resample), np.float32)
    if item.picture is not None:
        picture = np.asarray(item.picture.transform((side, side), Image.Transform.AFFINE, matrix, resample), np.float32) / np.float32(255)
        return values / np.float32(255), values / np.float32(510), picture
    level = 128 + rng.uniform(-14, 12)  # the weight of the pen
    steep = max(0.02, zoom / 24)  # one pixel from clear to solid: a digit's field climbs by about 24 a pixel
    return np.clip((values - level) * steep + 0.5, 0, 1), np.clip((values - 40) / 170, 0, 1), None


def _choose_ink(rng: np.random.Generator, contrast: float, below: np.ndarray, used: list[int]) -> int:
    """A colour that differs from the ground below, `[n, 3]`, by at least `contrast`, and that no other object has while there is such a one."""
    distance = np.abs(_INKS - below.mean(axis=0)).max(axis=1)
    clear = np.flatnonzero(distance >= contrast)
    if not len(clear):
        return int(distance.argmax())
    fresh = clear[~np.isin(clear, used)]
    choice = fresh if len(fresh) else clear
    return int(choice[rng.integers(len(choice))])


def _paint(rng: np.random.Generator, ink: int, shape: tuple[int, ...]) -> np.ndarray:
    """The colours of an object, float32 `[h, w, 3]`: its ink, a little off, under uneven light, now and then in streaks."""
    base = np.clip(_INKS[ink] + rng.uniform(-0.07, 0.07, 3), 0, 1).astype(np.float32)
    x, y = (axis[: shape[0], : shape[1]] for axis in grounds.plane(max(shape)))
    slope = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    shade = 1 + slope[0] * x + slope[1] * y
    if rng.random() < 0.3:
        shade *= 1 + np.float32(0.15) * np.sin(np.float32(rng.uniform(20, 60)) * (x + y))
    return base * shade[..., None]
