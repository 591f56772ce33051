"""A world in TensorFlow that asks at the end for what it showed at the beginning: for policies that remember.

Paper: Hochreiter and Schmidhuber 1997, Long Short-Term Memory, Neural Computation 9(8), section 5.2 (long time lags; here as a task of actions)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from kvision.data.environments.environment import Maker

SOLVED = 0.95
"""Share of the cues that are remembered when the world counts as solved."""


class Options(EpisodeOptions):
    """What is shown, and for how long it must be kept."""

    source: Literal["recall"] = "recall"
    choices: int = Field(4, ge=2, le=1000, description="Cues; who guesses is right once in so many episodes.")
    delay: int = Field(6, ge=0, le=10_000, description="Steps in which nothing is shown, between the cue and the question.")


_Options = Options  # inside the source, `Options` is its attribute


class RecallSource(EpisodeSource):
    """Steps and episodes of recalling."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The world, solved when nearly every cue is remembered."""
        from kvision.data.environments.worlds.maker import WorldMaker
        from kvision.data.environments.worlds.recall import Recall

        options = self.options
        return WorldMaker(options.source, functools.partial(Recall, choices=options.choices, delay=options.delay), SOLVED)
