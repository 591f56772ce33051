"""Any environment of Gymnasium by its id, such as CartPole-v1, with the usual wrappers, in this process or in workers.

Paper: Towers et al. 2024, Gymnasium: A Standard Interface for Reinforcement Learning Environments, arXiv 2407.17032
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError, UsageError
from kvision.data.environments.environment import Environment, Maker
from kvision.data.episodes import EpisodeOptions, EpisodeSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    import gymnasium
    import numpy as np

    from kvision.data.environments.dynamics import Dynamics
    from kvision.data.environments.lane import Setting


CART_POLE = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
"""Of CartPole-v0 and -v1, which are a world of ours as well, the same to rounding."""


class Options(EpisodeOptions):
    """Which environment, how it is wrapped, and where its lanes run."""

    source: Literal["gymnasium"] = "gymnasium"
    id: str = Field("CartPole-v1", description="Id of the environment, such as `LunarLander-v3`; `module:Name-v0` imports a module of yours first.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Arguments of the environment, such as `{is_slippery: false}`.")
    vectorize: Literal["auto", "sync", "async", "envpool"] = Field(
        "auto",
        description="`sync`: lanes one after the other in this process; `async`: a worker process each, for slow environments; `envpool`: threads of "
        "EnvPool (extra envpool), where it has the environment; `auto`: sync, but CartPole in the graph.",
    )
    timeout_s: float = Field(60.0, gt=0.0, le=86_400.0, description="`async`: seconds after which a worker that does not answer is given up.")
    max_episode_steps: int | None = Field(None, ge=1, le=10**9, description="Time limit of an episode; none: the environment's own.")
    frame_stack: int = Field(1, ge=1, le=64, description="How many of the last observations are shown together.")
    grey: bool = Field(False, description="Pictures: turn them grey.")
    resize_px: int | None = Field(None, ge=8, le=1024, description="Pictures: side of the square that they are scaled to; none: as they are.")
    atari: bool = Field(False, description="The usual Atari set: up to 30 no-ops at the start, every fourth frame, 84 x 84 grey pictures.")

    @property
    def resumes_within_episodes(self) -> bool:
        """EnvPool's lanes can't be put to where they stood."""
        return self.vectorize != "envpool"


_Options = Options  # inside the source, `Options` is its attribute


class GymnasiumSource(EpisodeSource):
    """Steps and episodes of a Gymnasium environment."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    def maker(self) -> Maker:
        """The environment; raises `DataError` if there is no such id, or what it needs is not installed."""
        if self.options.vectorize == "envpool":
            from kvision.data.environments.pooled import PoolMaker

            return PoolMaker(self.options)
        return GymnasiumMaker(self.options)


class GymnasiumMaker(Maker):
    """Makes lanes of a Gymnasium environment.

    Args:
        options: The recipe's `data` section.
    """

    def __init__(self, options: _Options) -> None:
        from kvision.data.environments import spaces

        self.name = options.id
        self._options = options
        env = self._build(None)
        self._spec = env.spec
        self.threshold = self._spec.reward_threshold if self._spec is not None else None
        self.spaces = spaces.of_gymnasium(options.id, env)
        self._drawn = "rgb_array" in env.metadata.get("render_modes", ())
        self.fps = float(env.metadata.get("render_fps") or self.fps)
        bare = self._plain and options.max_episode_steps is None and env.observation_space == env.unwrapped.observation_space
        self.device_id = options.id if bare else ""
        env.close()

    def make(self, num: int, *, render: bool = False) -> Environment:
        """Lanes of it; CartPole's are a world in the graph unless they are drawn or wrapped."""
        from kvision.data.environments import hosted

        if render:
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame would look for a screen
        elif self._world_limit is not None:
            from kvision.data.environments.worlds.cart_pole import CartPole

            return CartPole(num, max_steps=self._world_limit)
        return hosted.GymnasiumLanes(self._setting, self.spaces, num, render=render and self._drawn)

    def picture(self, environment: Environment, state: Mapping[str, Any], lane: int) -> np.ndarray:
        """A lane as it stands, see `Maker.picture`."""
        import gymnasium

        from kvision.data.environments.hosted import GymnasiumLanes

        del state
        if not isinstance(environment, GymnasiumLanes):
            raise TypeError("the environment was made without render=True")
        if not self._drawn:
            raise UsageError(f"{self.name} can't be drawn: it has no render mode rgb_array; it is played and evaluated all the same")
        try:
            return environment.picture(lane)
        except gymnasium.error.DependencyNotInstalled as error:
            raise UsageError(f"{self.name} can't be drawn: {error}") from error

    def dynamics(self) -> Dynamics | None:
        """The transition probabilities of Gymnasium's toy_text environments."""
        from kvision.data.environments import dynamics

        env = self._build(None)
        return dynamics.from_gymnasium(env) if hasattr(env.unwrapped, "P") else None

    @property
    def _setting(self) -> Setting:
        from kvision.data.environments.lane import Setting

        options = self._options
        return Setting(options.id, self._build, options.vectorize == "async", options.timeout_s)

    @functools.cached_property
    def _world_limit(self) -> int | None:
        """The time limit of lanes in the graph; none: there is no world that is this environment, or it would not be wrapped."""
        options, spec = self._options, self._spec
        if options.vectorize != "auto" or not self._plain or spec is None or spec.entry_point != CART_POLE:
            return None
        return options.max_episode_steps or spec.max_episode_steps

    @property
    def _plain(self) -> bool:
        """Whether the environment is as its id alone makes it."""
        options = self._options
        return options == options.model_copy(update={"frame_stack": 1, "grey": False, "resize_px": None, "atari": False, "kwargs": {}})

    def _build(self, render_mode: str | None) -> gymnasium.Env[Any, Any]:
        """One environment, wrapped."""
        import gymnasium

        from kvision.data.environments import extras, wrappers

        options = self._options
        drawn = {} if render_mode is None else {"render_mode": render_mode}  # an environment that can't be drawn need not take it
        kwargs = {**wrappers.arguments(options), **drawn, **options.kwargs}
        try:
            extras.register(options.id)
            env = gymnasium.make(options.id, max_episode_steps=options.max_episode_steps, **kwargs)
        except TypeError as error:
            raise DataError(f"data.kwargs: {options.id} does not take {options.kwargs}: {error}") from error
        except (gymnasium.error.Error, ModuleNotFoundError) as error:
            raise DataError(extras.missing(options.id, error)) from error
        return wrappers.wrapped(env, options)
