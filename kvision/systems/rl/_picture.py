"""Draws what an agent sees and does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from kvision.data.environments.spaces import Spaces

SIDE_PX, LINE_PX, MARGIN_PX = 256, 20, 8
BACKDROP, INK = (255, 255, 255), (32, 32, 32)
SHOWN = 24
"""Numbers of an observation that are written out."""


def observation(spaces: Spaces, seen: np.ndarray, action: np.ndarray) -> Image.Image:
    """An observation as a picture, or as the numbers that it is, and the action below it.

    Args:
        spaces: What the environment shows and takes.
        seen: `[...]`, one observation.
        action: The action, `[*action_shape]`.

    Returns:
        RGB.
    """
    did = f"action {_numbers(action)}"
    if not spaces.pictures:
        flat = np.atleast_1d(seen).ravel()
        rest = [] if flat.size <= SHOWN else [f"and {flat.size - SHOWN} more"]
        return _page([*(f"{number}: {value:.4g}" for number, value in enumerate(flat[:SHOWN])), *rest, did])
    page = _page([did], SIDE_PX + MARGIN_PX)
    page.paste(_last_channels(seen).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST), (MARGIN_PX, MARGIN_PX))
    return page


def _last_channels(seen: np.ndarray) -> Image.Image:
    """Three channels in colour, others as the brightest of all: pictures of few things often have a channel for each kind."""
    pixels = seen if seen.dtype == np.uint8 else np.clip(seen * 255.0, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels.max(axis=-1)).convert("RGB")


def _page(lines: list[str], top_px: int = 0) -> Image.Image:
    page = Image.new("RGB", (SIDE_PX + 2 * MARGIN_PX, top_px + 2 * MARGIN_PX + LINE_PX * len(lines)), BACKDROP)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((MARGIN_PX, top_px + MARGIN_PX + LINE_PX * number), line, fill=INK)
    return page


def _numbers(action: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in np.atleast_1d(action))
