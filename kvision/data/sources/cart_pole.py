"""Cart and pole in TensorFlow: Gymnasium's CartPole-v1, which `gymnasium` plays in the same way, without Gymnasium and with any time limit.

Paper: Barto, Sutton and Anderson 1983, Neuronlike adaptive elements that can solve difficult learning control problems, IEEE SMC 13(5)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from kvision.data.environments.environment import Maker

THRESHOLD = 0.95
"""Gymnasium's pass mark, 475 of 500 steps, as a share."""


class Options(EpisodeOptions):
    """How long an episode may last."""

    source: Literal["cart_pole"] = "cart_pole"
    max_episode_steps: int = Field(500, ge=1, le=10**6, description="Steps after which an episode is cut off.")


_Options = Options  # inside the source, `Options` is its attribute


class CartPoleSource(EpisodeSource):
    """Steps and episodes of cart and pole."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The world."""
        from kvision.data.environments.worlds.cart_pole import CartPole
        from kvision.data.environments.worlds.maker import WorldMaker

        steps = self.options.max_episode_steps
        return WorldMaker("cart_pole", functools.partial(CartPole, max_steps=steps), THRESHOLD * steps)
