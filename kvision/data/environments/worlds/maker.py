"""What a source of a world hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kvision.data.environments.environment import Environment, Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from kvision.data.environments.world import World


Made = TypeVar("Made", bound="World")


class WorldMaker(Maker, Generic[Made]):
    """Makes lanes of a world.

    Args:
        name: Of the world.
        world: Makes N lanes of it.
        threshold: The mean return from which on it counts as solved; none: nobody says.

    Attributes:
        one: A lane of it, which nobody plays.
    """

    def __init__(self, name: str, world: Callable[[int], Made], threshold: float | None = None) -> None:
        self.name = name
        self.threshold = threshold
        self._world = world
        self.one = world(1)
        self.spaces = self.one.spaces

    def make(self, num: int, *, render: bool = False) -> Environment:
        """Lanes of it; every world can be drawn."""
        del render
        return self._world(num)

    def picture(self, environment: Environment, state: Mapping[str, Any], lane: int) -> np.ndarray:
        """A lane as it stands, see `Maker.picture`."""
        del environment
        return self.one.render({name: values[lane] for name, values in state.items()})
