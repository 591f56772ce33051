"""A grid world from a map of yours: floor, walls, pits and goals, in TensorFlow, with exact dynamics for planning.

Paper: Sutton and Barto 2018, Reinforcement Learning, example 4.1 and chapter 6
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from kvision.data.environments.worlds import map_text
from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from kvision.data.environments.environment import Maker

MAP = ("S...#....", "..#.#.O..", ".O#...#..", "..###.#.O", "....O...G")


class Options(EpisodeOptions):
    """The map, and what happens on it."""

    source: Literal["grid_world"] = "grid_world"
    map: tuple[str, ...] = Field(
        MAP, description="Rows of the map: `.` floor, `#` wall, `S` start (several: any of them; none: any floor), `O` pit, `G` goal."
    )
    slip: float = Field(0.0, ge=0.0, le=1.0, description="Probability that a step goes to the side, left or right equally often; FrozenLake: 2/3.")
    goal_reward: float = Field(1.0, ge=-1e6, le=1e6, description="Reward for reaching a goal, which ends the episode.")
    pit_reward: float = Field(-1.0, ge=-1e6, le=1e6, description="Reward for falling into a pit, which ends the episode.")
    step_reward: float = Field(-0.01, ge=-1e6, le=1e6, description="Reward for every step.")
    max_episode_steps: int = Field(100, ge=1, le=10**6, description="Steps after which an episode is cut off.")
    shows: Literal["state", "picture"] = Field("state", description="What is seen: the number of the cell, or a picture, one pixel a cell.")

    @field_validator("map")
    @classmethod
    def _can_be_walked_on(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        fault = map_text.fault(value)
        if fault is not None:
            raise ValueError(fault)
        return value


_Options = Options  # inside the source, `Options` is its attribute


class GridWorldSource(EpisodeSource):
    """Steps and episodes on a map."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The world; nobody says from which return on it counts as solved."""
        from kvision.data.environments.worlds.grid import GridMaker, GridWorld

        options = self.options
        world = functools.partial(
            GridWorld,
            rows=options.map,
            slip=options.slip,
            goal_reward=options.goal_reward,
            pit_reward=options.pit_reward,
            step_reward=options.step_reward,
            max_steps=options.max_episode_steps,
            shows=options.shows,
        )
        return GridMaker(options.source, world)
