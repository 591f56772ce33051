"""What an environment shows and what may be done in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import DataError

if TYPE_CHECKING:
    import gymnasium


@dataclass(frozen=True)
class Spaces:
    """Observations and actions of one lane.

    Attributes:
        observation_shape: Of an observation; `()` for the number of a state.
        observation_dtype: `float32`; `uint8` for pictures; `int32` for the number of a state.
        num_states: S, for numbers of states; else none.
        actions: A, the number of actions; of several that are chosen together, how many each has; empty for continuous ones.
        low: Least value of each continuous action `[D]`, flattened.
        high: Greatest.
    """

    observation_shape: tuple[int, ...]
    observation_dtype: str
    num_states: int | None = None
    actions: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers and not quantities."""
        return bool(self.actions)

    @property
    def action_shape(self) -> tuple[int, ...]:
        """`()` for one discrete action, else `[D]`."""
        return () if len(self.actions) == 1 else (len(self.actions) or len(self.low),)

    @property
    def action_dtype(self) -> str:
        """`int32` for discrete actions, else `float32`."""
        return "int32" if self.discrete else "float32"

    @property
    def pictures(self) -> bool:
        """Whether observations are pictures `[H, W, C]`."""
        return len(self.observation_shape) == 3

    def __str__(self) -> str:
        """In words, for error messages."""
        seen = f"{self.num_states} states" if self.num_states else f"{self.observation_dtype} {list(self.observation_shape)}"
        done = f"{' x '.join(map(str, self.actions))} actions" if self.discrete else f"{len(self.low)} continuous actions"
        return f"observations {seen}, {done}"


def of_gymnasium(name: str, env: gymnasium.Env) -> Spaces:
    """The spaces of a Gymnasium environment.

    Args:
        name: Its id, for messages.
        env: The environment, its wrappers included.

    Returns:
        Its spaces.

    Raises:
        DataError: If they are of a kind that no system takes; says which are.
    """
    return of_spaces(name, env.observation_space, env.action_space)


def of_spaces(name: str, seen: gymnasium.Space, done: gymnasium.Space) -> Spaces:
    """As `of_gymnasium`, by what an environment shows and what it takes."""
    from gymnasium import spaces

    shape, dtype, num_states = _seen(name, seen)
    if isinstance(done, spaces.Discrete):
        if done.start != 0:
            raise DataError(f"data.id: {name} numbers its actions from {done.start}; wrap it so that they begin at 0")
        return Spaces(shape, dtype, num_states, (int(done.n),))
    if isinstance(done, spaces.MultiDiscrete) and done.nvec.ndim == 1:
        return Spaces(shape, dtype, num_states, tuple(int(n) for n in done.nvec))
    if isinstance(done, spaces.Box) and len(done.shape) == 1:
        low, high = (tuple(float(value) for value in bound) for bound in (done.low, done.high))
        if not all(map(math.isfinite, low + high)):
            raise DataError(f"data.id: {name} has actions without bounds ({done}); wrap it in gymnasium.wrappers.RescaleAction or ClipAction")
        return Spaces(shape, dtype, num_states, (), low, high)
    raise DataError(f"data.id: the actions of {name} are {done}; agents take Discrete, MultiDiscrete of one axis and Box of one axis")


def _seen(name: str, space: gymnasium.Space) -> tuple[tuple[int, ...], str, int | None]:
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete) and space.start == 0:
        return (), "int32", int(space.n)
    if isinstance(space, spaces.Box) and len(space.shape) in (1, 3):
        picture = len(space.shape) == 3 and space.dtype in (np.uint8, np.bool_)
        return tuple(space.shape), "uint8" if picture and space.dtype == np.uint8 else "float32", None
    raise DataError(
        f"data.id: {name} shows {space}; agents take Discrete, vectors (Box of one axis) and pictures (Box of three axes); "
        "flatten or pick a part of it with a wrapper, for example gymnasium.wrappers.FlattenObservation"
    )
