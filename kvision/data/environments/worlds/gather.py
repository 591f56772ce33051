"""Gather: an agent collects coins on a field without an edge that guards cross, and keeps out of their way."""

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

COIN, AGENT, GUARD, TRAIL = (255, 210, 60), (255, 255, 255), (255, 60, 60), (110, 30, 40)
MOVES = ((0, 0), *field.MOVES)


class Gather(World):
    """Coins lie about, and another one appears for each that is taken; guards go round and round, every other one along a row or a column.

    Who leaves the field on one side comes back on the other one; the picture has the agent in its middle. Actions: 0 stay, 1 left, 2 down, 3 right,
    4 up. Reward 1 for a coin. The episode ends when the agent meets a guard, in a cell or by changing cells with it, and is cut off at `max_steps`.
    A guard's last cell is darker, so that one picture tells where it goes.
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
        self._by_row = np.arange(guards) % 2 == 0

    def begin(self, seeds: tf.Tensor) -> State:
        """The agent in the corner; coins and guards anywhere, but no guard in the agent's row or column."""
        first = tf.zeros_like(seeds)
        agent = tf.zeros_like(seeds, tf.int32)
        drawn = chance.uniform(seeds, first, 3 * self.guards)
        line, along, ways = tf.split(drawn, 3, axis=1)
        guards = (1 + tf.cast(line * (self.size - 1), tf.int32)) * self.size + tf.cast(along * self.size, tf.int32)
        turned = guards % self.size * self.size + guards // self.size
        guards = tf.where(self._by_row, guards, turned)
        return {"agent": agent, "coins": self._elsewhere(agent, seeds, first + 1), "guards": guards, "way": tf.where(ways < 0.5, -1, 1)}

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """The agent and the guards go at the same time, then coins are taken."""
        step = tf.gather(tf.constant(MOVES), actions)
        agent = field.moved(state["agent"], step[:, 0], step[:, 1], self.size)
        taken = tf.equal(state["coins"], agent[:, None])
        coins = tf.where(taken, self._elsewhere(agent, state["seed"], state["time"] + 2), state["coins"])
        guards = self._gone(state["guards"], state["way"])
        passed = tf.equal(state["guards"], agent[:, None]) & tf.equal(guards, state["agent"][:, None])
        met = tf.reduce_any(tf.equal(guards, agent[:, None]) | passed, axis=1)
        return {**state, "agent": agent, "coins": coins, "guards": guards}, tf.reduce_sum(tf.cast(taken, tf.float32), axis=1), met

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """A pixel for each cell, uint8 `[N, S, S, 3]`."""
        agent, middle = state["agent"][:, None], self.size // 2
        trail = self._gone(state["guards"], -state["way"])
        layers = [(trail, TRAIL), (state["coins"], COIN), (agent, AGENT), (state["guards"], GUARD)]
        shown = [(field.moved(cells, middle - agent // self.size, middle - agent % self.size, self.size), colour) for cells, colour in layers]
        return field.paint(shown, self.size, self.size)

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The observation, enlarged."""
        return field.drawn(self.observe, state)

    def _gone(self, guards: tf.Tensor, way: tf.Tensor) -> tf.Tensor:
        """Where guards are, `[N, guards]`, when they have gone a cell on their way, 1 or -1."""
        return field.moved(guards, tf.where(self._by_row, 0, way), tf.where(self._by_row, way, 0), self.size)

    def _elsewhere(self, agent: tf.Tensor, seed: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Cells `[N, coins]` that are not the agent's."""
        cells = self.size * self.size
        return (agent[:, None] + 1 + chance.integers(seed, step, self.coins, cells - 1)) % cells
