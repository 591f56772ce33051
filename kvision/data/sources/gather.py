"""A pixel world in TensorFlow: the agent collects coins in two dimensions, and keeps out of the way of guards that go round."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from kvision.data.environments.environment import Maker

SOLVED = 0.1
"""Coins a step, of the most that an episode may have, that count as solved; random play gets 0.6 of 10."""


class Options(EpisodeOptions):
    """The field, the coins and the guards."""

    source: Literal["gather"] = "gather"
    size_px: int = Field(9, ge=4, le=64, description="Side of the field and of the picture, one pixel a cell.")
    coins: int = Field(3, ge=1, le=64, description="Coins on the field at a time, each worth 1; a new one appears for each that is taken.")
    guards: int = Field(3, ge=0, le=64, description="Guards on the field; who meets one is out.")
    max_episode_steps: int = Field(100, ge=1, le=10**6, description="Steps after which an episode is cut off.")


_Options = Options  # inside the source, `Options` is its attribute


class GatherSource(EpisodeSource):
    """Steps and episodes of gathering."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The world, solved at a coin every ten steps of a whole episode."""
        from kvision.data.environments.worlds.gather import Gather
        from kvision.data.environments.worlds.maker import WorldMaker

        options = self.options
        world = functools.partial(Gather, size=options.size_px, coins=options.coins, guards=options.guards, max_steps=options.max_episode_steps)
        return WorldMaker(options.source, world, SOLVED * options.max_episode_steps)
