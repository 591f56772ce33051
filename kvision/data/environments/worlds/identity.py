"""Identity: say what you see; whatever learns at all learns this in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import World
from kvision.data.environments.worlds import chance, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.environments.environment import State

Kind = Literal["index", "one_hot", "several", "continuous"]
BAR, MARK = (70, 74, 84), (255, 255, 255)
WIDTH = 32
"""Cells of a continuous number's bar."""


class Identity(World):
    """Each step shows something new, and the reward is 1 if the action equals it; what is done has no effect on what comes.

    `index`: one of K numbers as an index; `one_hot`: as K numbers; `several`: D of them, each one-hot, and D actions, the reward is the share that is
    right; `continuous`: D numbers in [-1, 1], the reward is 1 less the mean distance, and at least 0.
    """

    def __init__(self, num: int, *, kind: Kind, choices: int, dims: int, max_steps: int) -> None:
        """Keeps the numbers.

        Args:
            num: N.
            kind: What is shown.
            choices: K.
            dims: D, of `several` and `continuous`.
            max_steps: Of every episode.
        """
        spaces = {
            "index": Spaces((), "int32", num_states=choices, actions=(choices,)),
            "one_hot": Spaces((choices,), "float32", actions=(choices,)),
            "several": Spaces((dims * choices,), "float32", actions=(choices,) * dims),
            "continuous": Spaces((dims,), "float32", low=(-1.0,) * dims, high=(1.0,) * dims),
        }
        super().__init__(num, spaces[kind], max_steps)
        self.kind, self.choices = kind, choices
        self.dims = dims if kind in ("several", "continuous") else 1

    def begin(self, seeds: tf.Tensor) -> State:
        """The first thing to see."""
        return {"shown": self._shown(seeds, tf.zeros_like(seeds))}

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """The reward, and the next thing to see; no episode ends before its time."""
        said = tf.reshape(actions, [-1, self.dims])
        if self.kind == "continuous":
            right = tf.maximum(1.0 - tf.abs(said - state["shown"]), 0.0)
        else:
            right = tf.cast(tf.equal(said, state["shown"]), tf.float32)
        after = {"shown": self._shown(state["seed"], state["time"] + 1)}
        return after, tf.reduce_mean(right, axis=1), tf.zeros_like(state["seed"], tf.bool)

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What is shown: int32 `[N]`, or float32 `[N, K]`, `[N, D * K]` or `[N, D]`."""
        if self.kind == "index":
            return state["shown"][:, 0]
        if self.kind == "continuous":
            return state["shown"]
        return tf.reshape(tf.one_hot(state["shown"], self.choices), [-1, self.dims * self.choices])

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """A bar for each number, and where it stands."""
        columns = WIDTH if self.kind == "continuous" else self.choices
        shown = np.clip((state["shown"] + 1) * WIDTH // 2, 0, WIDTH - 1) if self.kind == "continuous" else state["shown"]
        picture = np.full([self.dims, columns, 3], BAR, np.uint8)
        picture[np.arange(self.dims), shown.astype(int)] = MARK
        return field.enlarged(picture)

    def _shown(self, seed: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        if self.kind == "continuous":
            return 2.0 * chance.uniform(seed, step, self.dims) - 1.0
        return chance.integers(seed, step, self.dims, self.choices)
