from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments.worlds.field import GROUND
from kvision.data.environments.worlds.grid import AGENT, COLOURS, GridWorld
from tests.unit.data.environments.worlds import play

ROWS = ("S.#S", "..OG", "G...")
RULES: dict[str, Any] = {"goal_reward": 2.0, "pit_reward": -3.0, "step_reward": -0.25}
MOVES = {0: (0, -1), 1: (1, 0), 2: (0, 1), 3: (-1, 0)}


def world(num: int, slip: float = 0.0, shows: Any = "state", max_steps: int = 9, rows: tuple[str, ...] = ROWS) -> GridWorld:
    return GridWorld(num, rows=rows, slip=slip, shows=shows, max_steps=max_steps, **RULES)


def slow(slip: float, shows: str) -> type:
    class Slow:
        def __init__(self, seed: int) -> None:
            self.seed, self.time = seed, 0
            self.row, self.column = [(0, 0), (0, 3)][play.integer(seed, 0, 0, 2)]

        def advance(self, action: int) -> tuple[float, bool]:
            self.time += 1
            drawn = play.uniform(self.seed, self.time, 0)
            if drawn < slip:
                action = (int(action) + (-1 if drawn < slip / 2 else 1)) % 4
            down, right = MOVES[int(action)]
            row, column = self.row + down, self.column + right
            if 0 <= row < 3 and 0 <= column < 4 and ROWS[row][column] != "#":
                self.row, self.column = row, column
            here = ROWS[self.row][self.column]
            return -0.25 + {"G": 2.0, "O": -3.0}.get(here, 0.0), here in "GO"

        def observe(self) -> Any:
            if shows == "state":
                return np.int32(self.row * 4 + self.column)
            picture = np.array([[COLOURS.get(cell, GROUND) for cell in row] for row in ROWS], np.uint8)
            picture[self.row, self.column] = AGENT
            return picture

    return Slow


@pytest.mark.parametrize(("slip", "shows"), [(0.0, "state"), (0.5, "picture")])
def test_it_does_what_its_rules_say(slip: float, shows: str) -> None:
    episodes, _ = play.agrees(world(8, slip, shows), slow(slip, shows))
    assert episodes > 100


def test_a_wall_stops_and_a_slip_turns() -> None:
    model = world(1, slip=0.5).dynamics()
    right, below, here = 1, 4, 0  # of the start in the corner
    assert model.transitions[0, 2, [here, right, below]].tolist() == [0.25, 0.5, 0.25]  # right; slips up into the edge, or down
    assert model.transitions[1, 2, [1, 0, 5]].tolist() == [0.75, 0.0, 0.25]  # the wall at 2 holds it back, as the edge above does
    assert model.start.tolist() == [0.5, 0, 0, 0.5] + [0.0] * 8
    assert np.flatnonzero(model.terminal).tolist() == [6, 7, 8]
    assert (model.grid, model.max_steps) == ((3, 4), 9)
    np.testing.assert_allclose(model.transitions.sum(2), 1.0)


def test_dynamics_are_what_random_play_shows() -> None:
    played = world(400, slip=0.4, max_steps=1000)
    model = played.dynamics()
    counts, gains = np.zeros([2, 12, 4, 12])
    acts = play.actions(played, 100)
    before, (after, reward, *_, final), _ = play.played(played, np.arange(400), acts)
    for time in range(100):
        np.add.at(counts, (before, acts[time], final[time]), 1)
        np.add.at(gains, (before, acts[time], final[time]), reward[time])
        before = after[time]
    often = counts.sum(2) > 500
    assert often.sum() >= 20
    np.testing.assert_allclose((counts / np.maximum(counts.sum(2, keepdims=True), 1))[often], model.transitions[often], atol=0.06)
    np.testing.assert_allclose((gains / np.maximum(counts, 1))[counts > 0], model.rewards[counts > 0], atol=1e-6)


def test_without_a_start_episodes_begin_on_any_floor() -> None:
    begun = world(100, rows=("..#", ".OG"))
    state, _ = begun.reset(tf.range(100, dtype=tf.int64))
    assert set(state["cell"].numpy()) == {0, 1, 3}
    assert begun.dynamics().start.tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3, 0, 0])
