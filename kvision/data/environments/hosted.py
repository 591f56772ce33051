"""Gymnasium environments behind the seam: they run on the host, in this process or in workers, and graphs call them."""

from __future__ import annotations

import abc
from multiprocessing import TimeoutError as WorkerTimeoutError
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError, KvisionError
from kvision.data.environments.environment import Environment, State, Transition
from kvision.data.environments.lane import LaneError, LaneMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.data.environments.lane import Setting
    from kvision.data.environments.spaces import Spaces

Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Observations, rewards, terminated, truncated, final observations: `Transition` as arrays."""


class HostState:
    """Read and assigned like a float64 variable `[None]`: where lanes on the host stand.

    Args:
        lanes: The lanes.

    Attributes:
        begun: Called with the first observations when the lanes, which could not be put to where they stood, began new episodes.
    """

    shape = (None,)

    def __init__(self, lanes: Hosted) -> None:
        self._lanes = lanes
        self.begun: Callable[[np.ndarray], None] = lambda observation: None

    def numpy(self) -> np.ndarray:
        """What a checkpoint keeps."""
        return self._lanes.stands()

    def assign(self, value: np.ndarray) -> None:
        """Puts the lanes to where they stood."""
        observation = self._lanes.put(np.asarray(value))
        if observation is not None:
            self.begun(observation)


class Hosted(Environment):
    """Lanes whose state is on the host; graphs call `begin` and `act`."""

    @abc.abstractmethod
    def begin(self, seeds: np.ndarray) -> np.ndarray:
        """Begins an episode on each lane; the observations."""

    @abc.abstractmethod
    def act(self, actions: np.ndarray) -> Step:
        """Acts on each lane, and begins the next episode where one ends."""

    @abc.abstractmethod
    def stands(self) -> np.ndarray:
        """Where the lanes stand, float64 `[K]`."""

    @abc.abstractmethod
    def put(self, values: np.ndarray) -> np.ndarray | None:
        """Puts the lanes to where they stood, as `stands` gave it; observations of new episodes where that can't be done."""

    def host_state(self) -> dict[str, HostState]:
        """One entry."""
        return {"environment": HostState(self)}

    def reset(self, seeds: tf.Tensor) -> tuple[State, tf.Tensor]:
        """Begins an episode on each lane, see `Environment.reset`."""
        observation = tf.numpy_function(self._guard(self.begin), [seeds], self.spaces.observation_dtype)
        return {}, tf.ensure_shape(observation, [self.num, *self.spaces.observation_shape])

    def step(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, Transition]:
        """Acts on each lane, see `Environment.step`."""
        del state
        seen = self.spaces.observation_dtype
        values = tf.numpy_function(self._guard(self.act), [actions], [seen, tf.float32, tf.bool, tf.bool, seen])
        shape = [self.num, *self.spaces.observation_shape]
        shapes = [shape, [self.num], [self.num], [self.num], shape]
        return {}, Transition(*(tf.ensure_shape(value, each) for value, each in zip(values, shapes, strict=True)))

    def _guard(self, call: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
        """The same, but what went wrong is remembered: a graph would tell of it in its own words only."""

        def guarded(values: np.ndarray) -> Any:
            try:
                return call(values)
            except KvisionError as error:
                self.fault = error
                raise

        return guarded


class GymnasiumLanes(Hosted):
    """Lanes by Gymnasium's vector environments.

    Args:
        setting: How they are made.
        spaces: What a lane shows and takes.
        num: N.
        render: Whether pictures will be asked for.
    """

    def __init__(self, setting: Setting, spaces: Spaces, num: int, *, render: bool = False) -> None:
        from gymnasium import vector

        self.num, self.spaces = num, spaces
        self._setting = setting
        made = [LaneMaker(setting, number, "rgb_array" if render else None) for number in range(num)]
        same_step = vector.AutoresetMode.SAME_STEP
        self.vector: Any
        if setting.workers:
            self.vector = vector.AsyncVectorEnv(made, context="spawn", autoreset_mode=same_step)
        else:
            self.vector = vector.SyncVectorEnv(made, autoreset_mode=same_step)

    def begin(self, seeds: np.ndarray) -> np.ndarray:
        """Begins an episode on each lane; the observations."""
        observation, _ = self._asked(lambda: self.vector.reset(seed=[int(seed) for seed in seeds]))
        return observation.astype(self.spaces.observation_dtype)

    def act(self, actions: np.ndarray) -> Step:
        """Acts on each lane, and begins the next episode where one ends."""
        taken = actions.astype(self.vector.action_space.dtype)

        def step() -> Any:
            if not self._setting.workers:
                return self.vector.step(taken)
            self.vector.step_async(taken)
            return self.vector.step_wait(timeout=self._setting.timeout_s)

        observation, reward, terminated, truncated, info = self._asked(step)
        observation = observation.astype(self.spaces.observation_dtype)
        final = observation
        if "final_obs" in info:
            final = observation.copy()
            for lane in np.flatnonzero(info["_final_obs"]):
                final[lane] = info["final_obs"][lane]
        return observation, reward.astype(np.float32), terminated, truncated & ~terminated, final

    def stands(self) -> np.ndarray:
        """Seeds, numbers of actions and actions of the lanes' episodes, one after the other."""
        kept = self._asked(lambda: self.vector.call("kept"))
        actions = [np.asarray(taken, np.float64).ravel() for _, taken in kept]
        counts = [len(taken) for _, taken in kept]
        return np.concatenate([np.array([seed for seed, _ in kept], np.float64), np.array(counts, np.float64), *actions])

    def put(self, values: np.ndarray) -> None:
        """Plays each lane's episode again."""
        seeds, counts = values[: self.num].astype(np.int64), values[self.num : 2 * self.num].astype(np.int64)
        shape, dtype = self.vector.single_action_space.shape, self.vector.single_action_space.dtype
        width = int(np.prod(shape))
        parts = np.split(values[2 * self.num :], np.cumsum(counts * width)[:-1])
        kept = [(int(seed), list(part.reshape(-1, *shape).astype(dtype))) for seed, part in zip(seeds, parts, strict=True)]
        self._asked(lambda: self.vector.reset(seed=[int(seed) for seed in seeds]))
        self._asked(lambda: self.vector.call("replay", kept))

    def picture(self, lane: int) -> np.ndarray:
        """A lane as it stands, uint8 `[H, W, 3]`."""
        return np.asarray(self.vector.render()[lane])

    def close(self) -> None:
        """Ends the workers."""
        self.vector.close()

    def _asked(self, call: Callable[[], Any]) -> Any:
        """What the lanes say; what goes wrong in one is raised as an error that names it."""
        try:
            return call()
        except WorkerTimeoutError as error:
            silent = [str(lane) for lane, pipe in enumerate(self.vector.parent_pipes) if not pipe.poll(0)]
            self._give_up()
            raise DataError(
                f"{self._setting.name}: lane {', '.join(silent) or '?'} did not answer within data.timeout_s={self._setting.timeout_s:g} s; "
                "the environment hangs, or needs more time: raise data.timeout_s"
            ) from error
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            dead = [str(lane) for lane, worker in enumerate(self.vector.processes) if not worker.is_alive()]
            self._give_up()
            raise DataError(f"{self._setting.name}: the worker of lane {', '.join(dead) or '?'} died; try data.vectorize=sync to see why") from error
        except LaneError as error:
            raise DataError(f"{error}. The run stands at its last checkpoint; mend the environment and go on with --resume") from error

    def _give_up(self) -> None:
        """Ends workers that may no longer answer, which Gymnasium would wait for."""
        for worker in self.vector.processes:
            worker.kill()
        self.vector.closed = True
