"""A world in TensorFlow that rewards saying what is shown: what learns at all learns this in 2,000 steps, so it tells in seconds what does not."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from kvision.data.environments.environment import Maker

SOLVED = 0.9
"""Share of the greatest return that counts as solved."""


class Options(EpisodeOptions):
    """What is shown."""

    source: Literal["identity"] = "identity"
    kind: Literal["index", "one_hot", "several", "continuous"] = Field(
        "one_hot",
        description="`index`: a number as it is; `one_hot`: of `choices` values one is 1; `several`: `dims` such numbers, and as many actions; "
        "`continuous`: `dims` quantities from -1 to 1, rewarded by how near the actions are.",
    )
    choices: int = Field(4, ge=2, le=1000, description="How many different numbers there are.")
    dims: int = Field(2, ge=1, le=64, description="Numbers or quantities that are shown at a time; `index`, `one_hot`: always one.")
    max_episode_steps: int = Field(10, ge=1, le=10**6, description="Steps of every episode; each is worth at most 1.")


_Options = Options  # inside the source, `Options` is its attribute


class IdentitySource(EpisodeSource):
    """Steps and episodes of saying what is shown."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The world, solved at nine tenths of the greatest return."""
        from kvision.data.environments.worlds.identity import Identity
        from kvision.data.environments.worlds.maker import WorldMaker

        options = self.options
        world = functools.partial(Identity, kind=options.kind, choices=options.choices, dims=options.dims, max_steps=options.max_episode_steps)
        return WorldMaker(options.source, world, SOLVED * options.max_episode_steps)
