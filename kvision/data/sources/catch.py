"""A pixel world in TensorFlow: drops fall, and the paddle must be below each of them when it lands.

Paper: Mnih et al. 2014, Recurrent Models of Visual Attention, arXiv 1406.6247, section 4.2 (one ball; here several drops, two of them in the air)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from kvision.data.environments.environment import Maker

SOLVED = 0.9
"""Share of the drops that are caught on average when the world counts as solved."""


class Options(EpisodeOptions):
    """The field and the drops."""

    source: Literal["catch"] = "catch"
    size_px: int = Field(10, ge=4, le=64, description="Side of the field and of the picture, one pixel a cell.")
    drops: int = Field(10, ge=1, le=1000, description="Drops of an episode, each of which is worth 1.")
    gap: int = Field(4, ge=1, le=64, description="Steps between two drops, and the most columns between them, so that all can be caught.")


_Options = Options  # inside the source, `Options` is its attribute


class CatchSource(EpisodeSource):
    """Steps and episodes of catching."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The world, solved when nine drops of ten are caught."""
        from kvision.data.environments.worlds.catch import Catch
        from kvision.data.environments.worlds.maker import WorldMaker

        options = self.options
        world = functools.partial(Catch, size=options.size_px, drops=options.drops, gap=options.gap)
        return WorldMaker(options.source, world, SOLVED * options.drops)
