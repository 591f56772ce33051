"""One episode for people: its film, a strip of its frames, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from kvision.engine import film
from kvision.engine.system import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from kvision.data.environments.environment import Maker, State, Transition
    from kvision.systems.rl._play import Policy, Remembered

SHOWN, COLUMNS = 8, 4
"""Frames of a strip, and of one of its rows."""
FRAME_PX, GAP_PX, LINE_PX = 200, 4, 20
BACKDROP, INK = (255, 255, 255), (32, 32, 32)


@dataclass
class Record:
    """What happens in an episode, as it goes on.

    Attributes:
        total: The return: sum of the rewards.
        length: Steps.
        end: `terminated`, or `truncated` by a time limit.
    """

    total: float = 0.0
    length: int = 0
    end: str = ""


class Player:
    """Plays one lane that can be drawn.

    Args:
        maker: Of the environment.
        policy: What acts, in the graph.
    """

    def __init__(self, maker: Maker, policy: Policy) -> None:
        self._maker, self._policy = maker, policy
        self._environment = maker.make(1, render=True)
        self._step = tf.function(self._one)

    def play(self, seed: int) -> Prediction:
        """Plays an episode.

        Args:
            seed: Of the episode.

        Returns:
            Its facts, and `episode` as a strip of frames and as a film.

        Raises:
            UsageError: If the environment can't be drawn here; says what to install.
        """
        record = Record()
        made = film.of(self._frames(seed, record), self._maker.fps)
        facts = {"seed": seed, "return": record.total, "length": record.length, "end": record.end}
        title = f"{self._maker.name}, seed {seed}: return {record.total:.6g}, {record.length} steps, {record.end}"
        return Prediction(facts, {"episode": strip(made.frames, title)}, films={"episode": made})

    def _one(self, state: State, observation: tf.Tensor, remembered: Remembered) -> tuple[State, Transition, Remembered]:
        action, remembered = self._policy.decide(observation, remembered)
        return (*self._environment.step(state, action), remembered)

    def _frames(self, seed: int, record: Record) -> Iterator[np.ndarray]:
        """What is to be seen before each step; the record is written on the way."""
        state, observation = self._environment.reset(tf.constant([seed], tf.int64))
        remembered = self._policy.first(1)
        while not record.end:
            yield self._maker.picture(self._environment, {name: value.numpy() for name, value in state.items()}, 0)
            state, found, remembered = self._step(state, observation, remembered)
            observation = found.observation
            record.total, record.length = record.total + float(found.reward[0]), record.length + 1
            record.end = "terminated" if found.terminated[0] else "truncated" if found.truncated[0] else ""


def strip(frames: Sequence[Image.Image], title: str) -> Image.Image:
    """Frames from the first to the last at even distances, under a title.

    Args:
        frames: RGB, all of one size, at least one.
        title: Written above.

    Returns:
        RGB.
    """
    count = min(SHOWN, len(frames))
    shown = [frames[round(place * (len(frames) - 1) / max(count - 1, 1))].copy() for place in range(count)]
    for frame in shown:
        frame.thumbnail((FRAME_PX, FRAME_PX))
    width, height = shown[0].size
    columns = min(COLUMNS, count)
    page = Image.new("RGB", (max(columns * (width + GAP_PX), 2 * FRAME_PX), LINE_PX + -(-count // columns) * (height + GAP_PX)), BACKDROP)
    ImageDraw.Draw(page).text((0, 2), title, INK, ImageFont.load_default(13))
    for place, frame in enumerate(shown):
        page.paste(frame, (place % columns * (width + GAP_PX), LINE_PX + place // columns * (height + GAP_PX)))
    return page
