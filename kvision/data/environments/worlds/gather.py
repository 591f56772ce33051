"""Gather: an agent collects coins on a field that guards cross, and keeps out of their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import World
from kvision.data.environments.worlds import chance, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from kvision.data.environments.environment import State

COIN, AGENT, GUARD, TRAIL = (255, 210, 60), (255, 255, 255), (255, 60, 60), (110, 30, 40)
MOVES = ((0, 0), *field.MOVES)


class Gather(World):
    """Coins lie about, and another one appears where none was for each that is taken; guards go to and fro, half along rows, half along columns.

    Actions: 0 stay, 1 left, 2 down, 3 right, 4 up. Reward 1 for a coin. The episode ends when the agent meets a guard, in a cell or by changing cells
    with it; else it is cut off at `max_steps`. A guard's last cell is darker, so that one picture tells where it goes.
    """

    def __init__(self, num: int, *, size: int, coins: int, guards: int, max_steps: int) -> None:
        """Keeps the numbers.

        Args:
            num: N.
            size: Side of the field and of the picture, S.
            coins: On the field at a time.
            guards: On the field.
            max_steps: Of an episode.
        """
        super().__init__(num, Spaces((size, size, 3), "uint8", actions=(len(MOVES),)), max_steps)
        self.size, self.coins, self.guards = size, coins, guards

    def begin(self, seeds: tf.Tensor) -> State:
        """The agent in the middle; coins and guards anywhere, but no guard in the agent's row or column."""
        first = tf.zeros_like(seeds)
        agent = tf.zeros_like(seeds, tf.int32) + (self.size // 2) * (self.size + 1)
        drawn = chance.uniform(seeds, first, 2 * self.guards)
        line = tf.cast(drawn[:, : self.guards] * (self.size - 1), tf.int32)
        line += tf.cast(line >= self.size // 2, tf.int32)
        phase = tf.cast(drawn[:, self.guards :] * (2 * self.size - 2), tf.int32)
        coins = self._elsewhere(agent, seeds, first + 1)
        return {"agent": agent, "coins": coins, "line": line, "phase": phase}

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """The agent and the guards go at the same time, then coins are taken."""
        time = state["time"] + 1
        agent = field.moved(state["agent"], actions, self.size, MOVES)
        taken = tf.equal(state["coins"], agent[:, None])
        coins = tf.where(taken, self._elsewhere(agent, state["seed"], time + 1), state["coins"])
        before, guards = self._guards(state, state["time"]), self._guards(state, time)
        same = tf.equal(guards, agent[:, None])
        passed = tf.equal(before, agent[:, None]) & tf.equal(guards, state["agent"][:, None])
        met = tf.reduce_any(same | passed, axis=1)
        return {**state, "agent": agent, "coins": coins}, tf.reduce_sum(tf.cast(taken, tf.float32), axis=1), met

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """A pixel for each cell, uint8 `[N, S, S, 3]`."""
        trail, guards = self._guards(state, state["time"] - 1), self._guards(state, state["time"])
        layers = [(trail, TRAIL), (state["coins"], COIN), (state["agent"][:, None], AGENT), (guards, GUARD)]
        return field.paint(layers, self.size, self.size)

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The observation, enlarged."""
        return field.enlarged(self.observe({name: tf.constant(value)[None] for name, value in state.items()})[0].numpy())

    def _guards(self, state: Mapping[str, tf.Tensor], time: tf.Tensor) -> tf.Tensor:
        """Cell of each guard `[N, guards]`: it goes to and fro on its line, the even ones along a row."""
        period = 2 * self.size - 2
        way = (state["phase"] + tf.cast(time, tf.int32)[:, None]) % period
        along = tf.minimum(way, period - way)
        by_row = tf.range(self.guards) % 2 == 0
        return tf.where(by_row, state["line"] * self.size + along, along * self.size + state["line"])

    def _elsewhere(self, agent: tf.Tensor, seed: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Cells `[N, coins]` that are not the agent's."""
        cells = self.size * self.size
        return (agent[:, None] + 1 + chance.integers(seed, step, self.coins, cells - 1)) % cells
