"""One lane of a Gymnasium environment: seeds its episodes, remembers what leads to where it stands, and names what goes wrong.

No TensorFlow here, for worker processes import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsFloat

import gymnasium
import numpy as np

from kvision.data.environments.environment import next_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kept = tuple[int, list[Any]]
"""The seed of an episode and its actions so far: together they say where a deterministic environment stands."""


@dataclass(frozen=True)
class Setting:
    """How lanes of a Gymnasium environment are made.

    Attributes:
        name: Its id.
        build: Makes one environment, its wrappers included; with a render mode or none.
        workers: Whether each lane has a process of its own.
        timeout_s: Seconds after which a worker that does not answer is given up.
    """

    name: str
    build: Callable[[str | None], gymnasium.Env[Any, Any]]
    workers: bool = False
    timeout_s: float = 60.0


class LaneError(RuntimeError):
    """What went wrong in a lane, in words; it can be sent between processes."""


class Lane(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The outermost wrapper.

    Args:
        env: The environment.
        name: Its id, for messages.
        number: Of the lane.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], name: str, number: int) -> None:
        super().__init__(env)
        self._name, self._number = name, number
        self._seed, self._actions = 0, []  # type: int, list[Any]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins the episode of this seed, or else the one that follows the last."""
        self._seed = next_seed(self._seed) if seed is None else int(seed)
        self._actions = []
        observation, info = self._guarded(lambda: self.env.reset(seed=self._seed, options=options))
        self._check(observation, "observation")
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Acts; raises `LaneError` if the environment raises, or gives numbers that are not finite."""
        self._actions.append(np.array(action))
        observation, reward, terminated, truncated, info = self._guarded(lambda: self.env.step(action))
        self._check(observation, "observation")
        self._check(reward, "reward")
        return observation, reward, terminated, truncated, info

    def kept(self) -> Kept:
        """Where the lane stands."""
        return self._seed, self._actions

    def replay(self, lanes: Sequence[Kept]) -> None:
        """Plays the episode again up to where its lane stood; `lanes` are those of all lanes."""
        seed, actions = lanes[self._number]
        self.reset(seed=seed)
        for action in actions:
            self.step(action)

    def _guarded(self, call: Any) -> Any:
        try:
            return call()
        except Exception as error:
            raise LaneError(f"{self._where}: the environment raised {type(error).__name__}: {error}") from error

    def _check(self, value: Any, what: str) -> None:
        array = np.asarray(value)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise LaneError(f"{self._where}: the environment gave {_shown(array)} as its {what}; rewards and observations must be finite numbers")

    @property
    def _where(self) -> str:
        return f"{self._name}, lane {self._number}, step {len(self._actions)} of the episode with seed {self._seed}"


class LaneMaker:
    """Makes a lane, in this process or in another one.

    Args:
        setting: How it is made.
        number: Of the lane.
        render_mode: Gymnasium's; none: it is not drawn.
    """

    def __init__(self, setting: Setting, number: int, render_mode: str | None) -> None:
        self._setting, self._number, self._render_mode = setting, number, render_mode

    def __call__(self) -> gymnasium.Env[Any, Any]:
        """A new one."""
        return Lane(self._setting.build(self._render_mode), self._setting.name, self._number)


def _shown(array: np.ndarray) -> str:
    return str(array) if array.size <= 8 else f"an array {list(array.shape)} with {int((~np.isfinite(array)).sum())} values that are NaN or infinite"
