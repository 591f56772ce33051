"""Draws a table of action values: over the map of its environment with the policy as arrows, or as plain heat where states are no places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from kvision.data.environments.dynamics import Dynamics

CELL_PX, MARGIN_PX, LINE_PX = 56, 8, 20
TALLEST = 64
"""Rows of a heat table; those of more states go on in the next columns."""
WIDTH_PX, HEIGHT_PX = 18, 9
"""Of a value in a heat table."""
BACKDROP, INK, WALL, GOAL, HOLE, HERE = (255, 255, 255), (32, 32, 32), (120, 120, 120), (60, 160, 80), (40, 40, 40), (220, 50, 40)
_MAP = colormaps["YlGnBu"]
_LIGHT = 0.75
"""Part of the colours that is used, so that ink can be read on all of them."""


def on_grid(q_values: np.ndarray, dynamics: Dynamics, state: int | None, title: str) -> Image.Image:
    """A map with each cell's value as number and colour, and the best action as an arrow that points where the action mostly leads.

    Ends of an episode are green where they are rewarded and black elsewhere; cells that no episode comes to are grey.

    Args:
        q_values: `[S, A]`.
        dynamics: With a grid of S cells.
        state: Where the agent stands, framed in red; none: nowhere.
        title: Written above.

    Returns:
        RGB.
    """
    rows, columns = dynamics.grid or (1, len(q_values))
    values, best, directions = q_values.max(1), q_values.argmax(1), _directions(dynamics, columns)
    shown = dynamics.reachable & ~dynamics.terminal
    colours = _colours(values, values[shown])
    made, draw = _sheet(columns * CELL_PX, rows * CELL_PX, title)
    rewarded = np.max(dynamics.rewards * (dynamics.transitions > 0), axis=(0, 1)) > 0
    for cell in range(rows * columns):
        left, top = MARGIN_PX + cell % columns * CELL_PX, MARGIN_PX + LINE_PX + cell // columns * CELL_PX
        box = (left, top, left + CELL_PX - 2, top + CELL_PX - 2)
        if not shown[cell]:
            draw.rectangle(box, WALL if not dynamics.reachable[cell] else GOAL if _is_goal(dynamics, rewarded, cell) else HOLE)
            continue
        draw.rectangle(box, tuple(colours[cell]))
        _arrow(draw, (left + CELL_PX / 2 - 1, top + 0.38 * CELL_PX), directions[best[cell]])
        text = _number(values[cell])
        draw.text((left + CELL_PX / 2 - 1, top + 0.84 * CELL_PX), text, INK, ImageFont.load_default(11), anchor="mm")
        if dynamics.start[cell] > 0:
            draw.text((left + 3, top + 1), "S", INK, ImageFont.load_default(11))
    if state is not None:
        left, top = MARGIN_PX + state % columns * CELL_PX, MARGIN_PX + LINE_PX + state // columns * CELL_PX
        draw.rectangle((left, top, left + CELL_PX - 2, top + CELL_PX - 2), outline=HERE, width=3)
    return made


def as_table(q_values: np.ndarray, state: int | None, title: str) -> Image.Image:
    """A heat table, a row for each state and a column for each action, with a dot on the best; many states go on beside.

    Args:
        q_values: `[S, A]`.
        state: Where the agent stands, framed in red; none: nowhere.
        title: Written above.

    Returns:
        RGB.
    """
    states, actions = q_values.shape
    blocks, colours = math.ceil(states / TALLEST), _colours(q_values, q_values)
    block_px = actions * WIDTH_PX + MARGIN_PX
    made, draw = _sheet(blocks * block_px - MARGIN_PX, min(states, TALLEST) * HEIGHT_PX, title)
    for row in range(states):
        left, top = MARGIN_PX + row // TALLEST * block_px, MARGIN_PX + LINE_PX + row % TALLEST * HEIGHT_PX
        for action in range(actions):
            draw.rectangle((left, top, left + WIDTH_PX - 2, top + HEIGHT_PX - 2), tuple(colours[row, action]))
            if action == q_values[row].argmax():
                draw.ellipse((left + WIDTH_PX / 2 - 3, top + 2, left + WIDTH_PX / 2 + 1, top + 6), INK)
            left += WIDTH_PX
        if row == state:
            draw.rectangle((left - actions * WIDTH_PX - 2, top - 2, left, top + HEIGHT_PX), outline=HERE, width=2)
    return made


def stacked(above: Image.Image, below: Image.Image) -> Image.Image:
    """Two pictures, one above the other."""
    made = Image.new("RGB", (max(above.width, below.width), above.height + below.height), BACKDROP)
    made.paste(above, (0, 0))
    made.paste(below, (0, above.height))
    return made


def _directions(dynamics: Dynamics, columns: int) -> np.ndarray:
    """Where each action leads on the average, by rows and columns `[A, 2]`, in eighths of a turn; zeros where it leads nowhere."""
    place = np.stack(np.divmod(np.arange(dynamics.num_states), columns), axis=1)
    moved = place[None] - place[:, None]
    near = np.abs(moved).sum(2) == 1  # a fall back to the start is no direction
    weights = dynamics.transitions * (near * ~dynamics.terminal[:, None])[:, None]
    mean = np.einsum("sat,std->ad", weights, moved.astype(np.float64))
    turns = np.round(np.arctan2(mean[:, 0], mean[:, 1]) / (np.pi / 4)) * np.pi / 4
    return np.stack([np.sin(turns), np.cos(turns)], axis=1) * (np.abs(mean).sum(1, keepdims=True) > 1e-9)


def _is_goal(dynamics: Dynamics, rewarded: np.ndarray, cell: int) -> bool:
    """Whether an end is one to be sought: it is rewarded, or there is no other."""
    return bool(rewarded[cell]) or (not (rewarded & dynamics.terminal).any() and dynamics.terminal.sum() == 1)


def _arrow(draw: ImageDraw.ImageDraw, middle: tuple[float, float], direction: np.ndarray) -> None:
    """An arrow of this direction (down, right), or a dot."""
    (x, y), (down, right) = middle, direction
    if not (down or right):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), INK)
        return
    length = 0.24 * CELL_PX
    tip = (x + length * right, y + length * down)
    draw.line((x - length * right, y - length * down, x + 0.6 * length * right, y + 0.6 * length * down), INK, 3)
    back = (x + 0.25 * length * right, y + 0.25 * length * down)
    side = 0.4 * length
    draw.polygon([tip, (back[0] - side * down, back[1] + side * right), (back[0] + side * down, back[1] - side * right)], INK)


def _colours(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """A colour for each value, as `among` spreads, `[..., 3]`."""
    low, high = (float(among.min()), float(among.max())) if among.size else (0.0, 0.0)
    share = np.clip((values - low) / (high - low), 0.0, 1.0) if high > low else np.full(values.shape, 0.5)
    return np.round(_MAP(_LIGHT * share)[..., :3] * 255).astype(int)


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _sheet(width: int, height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white picture with room of this size below its title."""
    font = ImageFont.load_default(13)
    made = Image.new("RGB", (max(width, math.ceil(font.getlength(title))) + 2 * MARGIN_PX, height + LINE_PX + 2 * MARGIN_PX), BACKDROP)
    draw = ImageDraw.Draw(made)
    draw.text((MARGIN_PX, MARGIN_PX - 2), title, INK, font)
    return made, draw
