"""Recall: say at the end what was shown at the beginning; who does not remember can but guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import World
from kvision.data.environments.worlds import chance, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.environments.environment import State

GROUND, CUE, KEPT, ASKED = (70, 74, 84), (255, 255, 255), (120, 126, 140), (202, 152, 101)


class Recall(World):
    """One of K cues is shown, then nothing for a while, then a mark that asks for it: the reward is 1 for its number, and the episode is over.

    Args:
        num: N.
        choices: K.
        delay: Steps between the cue and the question.
    """

    def __init__(self, num: int, *, choices: int, delay: int) -> None:
        super().__init__(num, Spaces((choices + 1,), "float32", actions=(choices,)), delay + 2)
        self.choices, self.asked_at = choices, delay + 1

    def begin(self, seeds: tf.Tensor) -> State:
        """A cue."""
        return {"cue": chance.integers(seeds, tf.zeros_like(seeds), 1, self.choices)[:, 0]}

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The cue as K numbers, zeros but in the first step, and whether it is asked for: `[N, K + 1]`."""
        shown = tf.one_hot(tf.where(state["time"] == 0, state["cue"], -1), self.choices)
        return tf.concat([shown, tf.cast(state["time"] == self.asked_at, tf.float32)[:, None]], -1)

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """What is said counts when it is asked for."""
        asked = state["time"] == self.asked_at
        return {"cue": state["cue"]}, tf.cast(asked & (actions == state["cue"]), tf.float32), asked

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """A cell for each cue: bright while it is shown, and dim after that for those who watch; the others are brown when it is asked for."""
        asked, shown = state["time"] == self.asked_at, state["time"] == 0
        picture = np.full([1, self.choices, 3], ASKED if asked else GROUND, np.uint8)
        picture[0, int(state["cue"])] = CUE if shown else KEPT
        return field.enlarged(picture)
