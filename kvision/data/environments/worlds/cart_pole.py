"""Cart and pole: Gymnasium's CartPole-v1 (Barto, Sutton and Anderson 1983) for all lanes at once, in the graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import World
from kvision.ops import pcg64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.environments.environment import State

GRAVITY, CART, POLE, LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
"""m/s2, kg, kg, half the pole in metres, newtons, and the seconds of a step."""
FAR, STEEP = 2.4, 12 * 2 * math.pi / 360
"""Metres from the middle and radians from upright beyond which an episode is over."""
WIDTH_PX, HEIGHT_PX = 240, 120


class CartPole(World):
    """Push a cart to the left (0) or to the right (1) so that the pole on it stays up; each step is worth 1.

    The state `physics` is float64 `[N, 4]`: position, speed, angle and angular speed, one Euler step on from the last one. The episode of a seed is
    Gymnasium's of this seed: it begins with the same numbers, and goes on to rounding in the same way.
    """

    def __init__(self, num: int, *, max_steps: int) -> None:
        super().__init__(num, Spaces((4,), "float32", actions=(2,)), max_steps)

    def begin(self, seeds: tf.Tensor) -> State:
        """All four within 0.05 of 0."""
        return {"physics": 0.1 * pcg64.uniform(seeds, 4) - 0.05}

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The state as float32 `[N, 4]`."""
        return tf.cast(state["physics"], tf.float32)

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """A fiftieth of a second."""
        x, v, angle, turn = tf.unstack(state["physics"], axis=-1)
        force = FORCE * (2.0 * tf.cast(actions, tf.float64) - 1.0)
        cosine, sine = tf.cos(angle), tf.sin(angle)
        push = (force + POLE * LENGTH * tf.square(turn) * sine) / (CART + POLE)
        twist = (GRAVITY * sine - cosine * push) / (LENGTH * (4.0 / 3.0 - POLE * tf.square(cosine) / (CART + POLE)))
        pull = push - POLE * LENGTH * twist * cosine / (CART + POLE)
        after = tf.stack([x + TAU * v, v + TAU * pull, angle + TAU * turn, turn + TAU * twist], axis=-1)
        over = (tf.abs(after[:, 0]) > FAR) | (tf.abs(after[:, 2]) > STEEP)
        return {"physics": after}, tf.ones([self.num]), over

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The track, the cart and the pole."""
        picture = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (255, 255, 255))
        draw = ImageDraw.Draw(picture)
        x, _, angle, _ = state["physics"]
        middle, ground = WIDTH_PX * (0.5 + x / (2.4 * FAR)), HEIGHT_PX - 20
        draw.line((0, ground, WIDTH_PX, ground), (150, 150, 150))
        draw.rectangle((middle - 14, ground - 8, middle + 14, ground + 8), (32, 32, 32))
        draw.line((middle, ground - 8, middle + 70 * math.sin(angle), ground - 8 - 70 * math.cos(angle)), (202, 152, 101), 6)
        return np.asarray(picture)
