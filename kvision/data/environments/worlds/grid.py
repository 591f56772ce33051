"""Grid world: a map of floor, walls, pits and goals that the agent walks on; its dynamics are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from kvision.data.environments.dynamics import Dynamics
from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import World
from kvision.data.environments.worlds import chance, field, map_text
from kvision.data.environments.worlds.maker import WorldMaker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.data.environments.environment import State

FLOOR, WALL, START, PIT, GOAL = map_text.KINDS
COLOURS = {WALL: (110, 110, 120), PIT: (200, 60, 60), GOAL: (80, 200, 110)}
AGENT = (255, 255, 255)
ACTIONS = len(field.MOVES)


class GridWorld(World):
    """The agent goes left, down, right or up (0 to 3, as in Gymnasium's FrozenLake); walls and the edge stop it, pits and goals end the episode."""

    def __init__(
        self,
        num: int,
        *,
        rows: Sequence[str],
        slip: float,
        goal_reward: float,
        pit_reward: float,
        step_reward: float,
        max_steps: int,
        shows: Literal["state", "picture"],
    ) -> None:
        """Keeps the map.

        Args:
            num: N.
            rows: Of the map, characters of `.#SOG`, equally long.
            slip: Probability that a step goes at a right angle to where it was to go, to either side equally often.
            goal_reward: For entering a goal.
            pit_reward: For entering a pit.
            step_reward: For each step, also the last one.
            max_steps: Of an episode.
            shows: Observations: the number of the cell, or a picture `[H, W, 3]` with a pixel for each cell.
        """
        self.rows, self.columns = len(rows), len(rows[0])
        cells = self.rows * self.columns
        spaces = {
            "state": Spaces((), "int32", num_states=cells, actions=(ACTIONS,)),
            "picture": Spaces((self.rows, self.columns, 3), "uint8", actions=(ACTIONS,)),
        }
        super().__init__(num, spaces[shows], max_steps)
        self.slip, self.shows = slip, shows
        self.map = np.array(list("".join(rows)))
        self.over = np.isin(self.map, (PIT, GOAL))
        self.gains = step_reward + goal_reward * (self.map == GOAL) + pit_reward * (self.map == PIT)
        self.following = following(self.map.reshape(self.rows, self.columns))
        self.starts = np.flatnonzero(self.map == (START if START in self.map else FLOOR))

    def begin(self, seeds: tf.Tensor) -> State:
        """On one of the starts."""
        place = chance.integers(seeds, tf.zeros_like(seeds), 1, len(self.starts))[:, 0]
        return {"cell": tf.gather(tf.constant(self.starts, tf.int32), place)}

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """One step, perhaps to the side."""
        if self.slip:
            drawn = chance.uniform(state["seed"], state["time"] + 1, 1)[:, 0]
            side = tf.where(drawn < self.slip / 2, -1, 1)
            actions = tf.where(drawn < self.slip, (actions + side) % ACTIONS, actions)
        cell = tf.gather(tf.constant(self.following.ravel(), tf.int32), state["cell"] * ACTIONS + actions)
        return {"cell": cell}, tf.gather(tf.constant(self.gains, tf.float32), cell), tf.gather(tf.constant(self.over), cell)

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The number of the cell int32 `[N]`, or the picture uint8 `[N, H, W, 3]`."""
        return state["cell"] if self.shows == "state" else self._picture(state["cell"])

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The map with the agent on it, enlarged."""
        return field.enlarged(self._picture(tf.constant(state["cell"])[None])[0].numpy())

    def dynamics(self) -> Dynamics:
        """The exact model; walls and floor that no start leads to are states like others, that are never visited."""
        cells = len(self.map)
        transitions = np.zeros([cells, ACTIONS, cells])
        for turn, probability in ((0, 1.0 - self.slip), (-1, self.slip / 2), (1, self.slip / 2)):
            for action in range(ACTIONS):
                transitions[np.arange(cells), action, self.following[:, (action + turn) % ACTIONS]] += probability
        transitions[self.over] = np.eye(cells)[self.over][:, None]
        rewards = np.where((transitions > 0) & ~self.over[:, None, None], self.gains, 0.0)
        start = np.isin(np.arange(cells), self.starts) / len(self.starts)
        return Dynamics(transitions, rewards, self.over, start, self.max_steps, (self.rows, self.columns))

    def _picture(self, cell: tf.Tensor) -> tf.Tensor:
        ground = [(tf.constant(np.flatnonzero(self.map == kind)[None], tf.int32), colour) for kind, colour in COLOURS.items()]
        here = [(tf.repeat(cells, tf.shape(cell)[0], axis=0), colour) for cells, colour in ground]
        return field.paint([*here, (cell[:, None], AGENT)], self.rows, self.columns)


class GridMaker(WorldMaker[GridWorld]):
    """Makes lanes of a grid world, and knows its dynamics."""

    def dynamics(self) -> Dynamics:
        """The exact model."""
        return self.one.dynamics()


def following(grid: np.ndarray) -> np.ndarray:
    """Where each action leads.

    Args:
        grid: Characters `[H, W]`.

    Returns:
        Numbers of cells int64 `[H * W, 4]`; the cell itself where a wall or the edge is in the way.
    """
    rows, columns = grid.shape
    result = np.zeros([rows, columns, ACTIONS], np.int64)
    for row in range(rows):
        for column in range(columns):
            for action, (down, right) in enumerate(field.MOVES):
                there = (min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1))
                result[row, column, action] = np.ravel_multi_index((row, column) if grid[there] == WALL else there, grid.shape)
    return result.reshape(-1, ACTIONS)
