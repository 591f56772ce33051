"""Environments by EnvPool, whose lanes are stepped in C++ by threads.

Paper: Weng et al. 2022, EnvPool: A Highly Parallel Reinforcement Learning Environment Execution Engine, arXiv 2206.10558
Deviations: EnvPool seeds a lane once, when it is made, and not by episode. So an evaluation, which makes its lanes anew, is a function of its seeds;
and a training is one of its own, but a resumed one begins new episodes on all lanes.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data.environments import spaces
from kvision.data.environments.environment import Environment, Maker, next_seed
from kvision.data.environments.hosted import Hosted, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.data.environments.spaces import Spaces
    from kvision.data.sources.gymnasium import Options

ATARI = "ALE/"
"""What Gymnasium puts before the ids of Atari's games; EnvPool does not."""
ATARI_SET = {"frame_skip": 4, "noop_max": 30, "repeat_action_probability": 0.25, "use_fire_reset": False}
"""As `data.atari` has it with Gymnasium: Machado et al. 2018."""


class PooledLanes(Hosted):
    """Lanes of one pool.

    Args:
        name: The environment's id, for messages.
        made: Makes a pool, of the lanes' seeds.
        spaces: What a lane shows and takes.
        num: N.
    """

    def __init__(self, name: str, made: Callable[[list[int]], Any], spaces: Spaces, num: int) -> None:
        self.num, self.spaces = num, spaces
        self._name, self._made = name, made
        self._pool: Any = None
        self._seeds = np.zeros(num, np.int64)

    def begin(self, seeds: np.ndarray) -> np.ndarray:
        """Makes the lanes anew with these seeds; the observations."""
        self._seeds = seeds
        self._pool = self._made([int(seed) for seed in seeds])
        return self._seen(self._pool.reset()[0])

    def act(self, actions: np.ndarray) -> Step:
        """Acts on each lane, and begins the next episode where one ends: EnvPool itself would do so a step too late."""
        given, reward, terminated, truncated, _ = self._pool.step(actions)
        final = self._seen(given)
        self._check(reward, "reward")
        self._check(final, "observation")
        over = np.flatnonzero(terminated | truncated)
        observation = final
        if over.size:
            observation = final.copy()
            observation[over] = self._seen(self._pool.reset(over.astype(np.int32))[0])
        return observation, reward.astype(np.float32), terminated, truncated & ~terminated, final

    def stands(self) -> np.ndarray:
        """The seeds that the lanes were made with: no more of where they stand can be had."""
        return self._seeds.astype(np.float64)

    def put(self, values: np.ndarray) -> np.ndarray:
        """Begins new episodes; the observations."""
        return self.begin(next_seed(values.astype(np.int64)))

    def picture(self, lane: int) -> np.ndarray:
        """A lane as it stands, uint8 `[H, W, 3]`."""
        return np.asarray(self._pool.render(env_ids=lane)[0])

    def close(self) -> None:
        """Ends the threads."""
        self._pool = None

    def _seen(self, observation: np.ndarray) -> np.ndarray:
        """With the channels of pictures last, as all agents here have them."""
        if observation.ndim == 4 and observation.shape[1:] != self.spaces.observation_shape:
            observation = np.moveaxis(observation, 1, -1)
        return np.ascontiguousarray(observation, self.spaces.observation_dtype)

    def _check(self, values: np.ndarray, what: str) -> None:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            lane = int(np.flatnonzero(~np.isfinite(values.reshape(self.num, -1)).all(1))[0])
            raise DataError(
                f"{self._name}, lane {lane}, made with seed {self._seeds[lane]}: EnvPool gave {values[lane]} as its {what}; "
                "rewards and observations must be finite numbers. The run stands at its last checkpoint; go on with --resume"
            )


class PoolMaker(Maker):
    """Makes lanes by EnvPool.

    Args:
        options: The recipe's `data` section.
    """

    fps = 30.0

    def __init__(self, options: Options) -> None:
        self.name = options.id
        self._atari = options.atari or options.id.startswith(ATARI)
        self._id = options.id.removeprefix(ATARI)
        self._kwargs = {**_arguments(options, self._atari), **options.kwargs}
        pool = self._pool(num_envs=1, seed=[0])
        self.threshold = getattr(pool.spec.config, "reward_threshold", None)
        self.spaces = spaces.of_spaces(options.id, _channels_last(pool.observation_space), pool.action_space)

    def make(self, num: int, *, render: bool = False) -> Environment:
        """Lanes of it."""
        drawn = {"render_mode": "rgb_array"} if render else {}
        return PooledLanes(self.name, lambda seeds: self._pool(num_envs=num, seed=seeds, **drawn), self.spaces, num)

    def picture(self, environment: Environment, state: Mapping[str, Any], lane: int) -> np.ndarray:
        """A lane as it stands, see `Maker.picture`."""
        del state
        if not isinstance(environment, PooledLanes):
            raise TypeError("the environment was not made by EnvPool")
        return environment.picture(lane)

    def _pool(self, **arguments: Any) -> Any:
        """A pool of lanes; what keeps it from being made is told in the user's words."""
        try:
            import envpool
        except ModuleNotFoundError as error:
            raise DataError(
                "data.vectorize: envpool needs a package that is not installed: run `pip install 'kvision[envpool]'`, or use sync or async"
            ) from error
        known = envpool.list_all_envs()
        if self._id not in known:
            raise DataError(
                f"data.id: EnvPool has no environment {self._id}; data.vectorize=sync and async play any that Gymnasium knows"
                f"{did_you_mean(self._id, known)}"
            )
        try:
            pool = envpool.make_gymnasium(self._id, **self._kwargs, **arguments)
        except TypeError as error:
            raise DataError(f"data.kwargs: EnvPool's {self._id} does not take all of {self._kwargs}: {error}") from error
        with warnings.catch_warnings():  # the spaces, which it makes when they are first asked for, have bounds in float64
            warnings.filterwarnings("ignore", ".*precision lowered by casting")
            pool.observation_space, pool.action_space  # noqa: B018
        return pool


def _arguments(options: Options, atari: bool) -> dict[str, Any]:
    """What stands for the wrappers; raises `DataError` for those that EnvPool has not."""
    limit = {} if options.max_episode_steps is None else {"max_episode_steps": options.max_episode_steps}
    if atari:
        return {**ATARI_SET, **limit, "stack_num": options.frame_stack}
    asked = {"grey": options.grey, "resize_px": options.resize_px, "frame_stack": options.frame_stack if options.frame_stack > 1 else None}
    for name, value in asked.items():
        if value:
            raise DataError(f"data.{name}: got {value}, but EnvPool shows {options.id} as it is; leave it out, or use data.vectorize=sync or async")
    return limit


def _channels_last(space: Any) -> Any:
    """Atari's frames `[K, H, W]` as pictures `[H, W, K]`."""
    from gymnasium.spaces import Box

    if isinstance(space, Box) and len(space.shape) == 3 and space.shape[0] < space.shape[-1]:
        return Box(0, 255, (*space.shape[1:], space.shape[0]), np.uint8)
    return space
