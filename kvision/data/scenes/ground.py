"""Textured backgrounds, clutter and light: everything in a scene that is not an object."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

TEXTURES = ("gradient", "clouds", "stripes", "checks", "wood", "dots", "cells")
"""Kinds of ground."""

_GRAIN_PX = 1024


class Ground(NamedTuple):
    """A textured background: float32 `[S, S, 3]`, 0..1, and its kind."""

    image: np.ndarray
    kind: str


@functools.lru_cache(maxsize=8)
def plane(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x and y of the pixels, float32 `[S, S]`, -0.5..0.5."""
    axis = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


@functools.lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """Standard normal noise that every scene takes another window of: drawing it anew would cost more than the rest of a scene."""
    return np.random.default_rng(7).standard_normal((_GRAIN_PX, _GRAIN_PX, 3), dtype=np.float32)


def grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Standard normal noise, float32 `[S, S, 3]`."""
    noise = _grain()
    if size > _GRAIN_PX // 2:
        return rng.standard_normal((size, size, 3), dtype=np.float32)
    top, left = rng.integers(0, _GRAIN_PX - size, 2)
    return noise[top : top + size, left : left + size]


def clouds(rng: np.random.Generator, size: int, cells: int, octaves: int) -> np.ndarray:
    """Value noise: random grids of `cells`, 2 `cells` ... enlarged by cubic interpolation; float32 `[S, S]`, about 0..1."""
    total = np.zeros((size, size), np.float32)
    weight = 0.5
    for octave in range(octaves):
        side = min(size, cells * 2**octave)
        grid = Image.fromarray(rng.random((side, side), dtype=np.float32))
        total += weight * np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))
        weight /= 2
    return total / (1 - 0.5**octaves)


def ground(rng: np.random.Generator, size: int) -> Ground:
    """A background of a random kind in two related colours."""
    kind = TEXTURES[rng.integers(len(TEXTURES))]
    dark = rng.random(3, dtype=np.float32) * 0.85
    light = np.clip(dark + rng.uniform(-0.35, 0.35) + rng.uniform(-0.15, 0.15, 3), 0, 1).astype(np.float32)
    texture = _texture(rng, size, kind)[..., None]
    image = dark + texture * (light - dark)
    if kind != "clouds":
        image += np.float32(0.12) * (clouds(rng, size, 4, 2)[..., None] - np.float32(0.5))
    return Ground(image, kind)


def _texture(rng: np.random.Generator, size: int, kind: str) -> np.ndarray:
    """Where the ground has its second colour: float32 `[S, S]`, about 0..1."""
    x, y = plane(size)
    angle = rng.uniform(0, math.pi)
    across = x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle))
    along = y * np.float32(math.cos(angle)) - x * np.float32(math.sin(angle))
    waves = np.float32(2 * math.pi * rng.uniform(3, 11))
    if kind == "clouds":
        return clouds(rng, size, int(rng.integers(2, 6)), 3)
    if kind == "stripes":
        return _steep(np.sin(waves * across), rng)
    if kind == "checks":
        return _steep(np.sin(waves * across) * np.sin(waves * along), rng)
    if kind == "dots":
        return _steep(np.cos(waves * across) + np.cos(waves * along) - np.float32(rng.uniform(0.4, 1.1)), rng)
    if kind == "wood":
        bent = across + np.float32(0.25) * clouds(rng, size, 3, 2) + np.float32(0.1) * along * along
        rings = (bent * np.float32(rng.uniform(5, 14))) % 1.0
        return rings * rings
    if kind == "cells":
        folded = np.abs(clouds(rng, size, int(rng.integers(4, 9)), 3) - np.float32(0.5))
        return np.minimum(folded * 5, 1)
    return across + np.float32(0.5)


def _steep(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A wave made into soft or sharp bands, 0..1."""
    return np.clip(wave * np.float32(rng.uniform(0.6, 4.0)) + np.float32(0.5), 0, 1)


def light(rng: np.random.Generator, size: int, strength: float) -> np.ndarray:
    """Uneven light: a slope, a vignette and a tint, float32 `[S, S, 3]` around 1."""
    x, y = plane(size)
    slope = rng.uniform(-1, 1, 2) * 0.8 * strength
    field = 1 + np.float32(slope[0]) * x + np.float32(slope[1]) * y - np.float32(rng.uniform(0, 0.8) * strength) * (x * x + y * y)
    tint = rng.uniform(1 - 0.4 * strength, 1 + 0.25 * strength) * (1 + rng.uniform(-0.12, 0.12, 3) * strength)
    return field[..., None] * tint.astype(np.float32)


def clutter(rng: np.random.Generator, size: int, count: int, *, width: float) -> np.ndarray | None:
    """Strokes, blobs, corners and arcs in random colours that belong to no class.

    Args:
        rng: Where the random numbers come from.
        size: S, pixels.
        count: How many.
        width: Largest width of a stroke, as a fraction of S.

    Returns:
        float32 `[S, S, 4]`, colour times cover, and cover, 0..1; none when there is nothing to draw.
    """
    if count == 0:
        return None
    big = 2 * size  # drawn at twice the size, then averaged, so that edges are smooth
    layer = Image.new("CMYK", (big, big))  # any four channels: cover is the fourth, and opaque colours are already multiplied by it
    draw = ImageDraw.Draw(layer)
    for _ in range(count):
        _draw(draw, rng, big, width)
    return np.asarray(layer.reduce(2), np.float32) / np.float32(255)


def _draw(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, width: float) -> None:
    colour = (*rng.integers(0, 256, 3).tolist(), 255)
    cx, cy = rng.uniform(-0.05, 1.05, 2) * side
    thick = max(1, round(rng.uniform(0.3, 1.0) * width * side))
    radius = rng.uniform(0.03, 0.12) * side
    form = rng.integers(4)
    if form == 0:  # a bent stroke
        steps = (*rng.normal(0, 0.22 * side, (3, 2)).cumsum(axis=0), cx, cy)
        t = np.linspace(0, 1, 12)[:, None]
        curve = (1 - t) ** 2 * steps[0] + 2 * t * (1 - t) * steps[1] + t * t * steps[2]
        draw.line([tuple(point) for point in curve.tolist()], fill=colour, width=thick, joint="curve")
    elif form == 1:  # a blob
        angles = np.linspace(0, 2 * math.pi, 10, endpoint=False)
        spread = radius * rng.uniform(0.5, 1.0, 10)
        outline = np.stack([cx + spread * np.cos(angles), cy + spread * np.sin(angles)], axis=1)
        draw.polygon([tuple(point) for point in outline.tolist()], fill=colour)
    elif form == 2:  # part of a circle
        start = rng.uniform(0, 360)
        radius = 2 * radius
        draw.arc((cx - radius, cy - radius, cx + radius, cy + radius), start, start + rng.uniform(40, 140), fill=colour, width=thick)
    else:  # an open corner
        a, b = rng.uniform(0, 2 * math.pi, 2)
        arms = [
            (cx + 2 * radius * math.cos(a), cy + 2 * radius * math.sin(a)),
            (cx, cy),
            (cx + 2 * radius * math.cos(b), cy + 2 * radius * math.sin(b)),
        ]
        draw.line(arms, fill=colour, width=thick)
