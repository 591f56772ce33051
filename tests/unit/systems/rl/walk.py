"""A corridor to walk along, small enough to be worked out by hand, and an agent that always knows the way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.data.environments.environment import Environment, Maker
from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import State, World
from kvision.data.episodes import EpisodeOptions, EpisodeSource
from kvision.data.pipeline import Pipeline
from kvision.engine.session import Session
from kvision.systems.rl._part import Agent

if TYPE_CHECKING:
    from collections.abc import Mapping

SPACES = Spaces((2,), "float32", actions=(2,))


class Walk(World):
    """From place 0; action 1 goes one place on, action 0 stays; the episode is over at its goal, and each step on is worth 1.

    What is seen is the place and how far the goal is, which depends on the seed: even ones have it `length` places on, odd ones one more.
    """

    def __init__(self, num: int, length: int, max_steps: int) -> None:
        super().__init__(num, SPACES, max_steps)
        self.length = length

    def begin(self, seeds: tf.Tensor) -> State:
        return {"at": tf.zeros_like(seeds)}

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.cast(tf.stack([state["at"], self._goal(state["seed"])], axis=-1), tf.float32)

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        at = state["at"] + tf.cast(actions, tf.int64)
        return {"at": at}, tf.cast(actions, tf.float32), at == self._goal(state["seed"])

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        frame = np.zeros((8, 8 * (self.length + 2), 3), np.uint8)
        frame[:, 8 * int(state["at"]) : 8 * int(state["at"]) + 8] = 255
        return frame

    def _goal(self, seeds: tf.Tensor) -> tf.Tensor:
        return self.length + seeds % 2


class WalkMaker(Maker):
    """Makes corridors; ones that can't be drawn, too."""

    name, spaces, threshold = "walk", SPACES, 3.5

    def __init__(self, length: int = 3, max_steps: int = 100, drawn: bool = True) -> None:
        self.length, self.max_steps, self.drawn = length, max_steps, drawn

    def make(self, num: int, *, render: bool = False) -> Environment:
        return Walk(num, self.length, self.max_steps)

    def picture(self, environment: Environment, state: Mapping[str, Any], lane: int) -> np.ndarray:
        if not self.drawn:
            raise UsageError("walk can't be drawn: run `pip install chalk`")
        assert isinstance(environment, Walk)
        return environment.render({name: value[lane] for name, value in state.items()})


class WalkSource(EpisodeSource):
    """Corridors of one length."""

    length: ClassVar[int] = 3

    def maker(self) -> Maker:
        return WalkMaker(self.length)


class Walker(Agent):
    """Goes on where its logits say so: they are the weights of one dense layer on what is seen, (0, 1) at first."""

    Options = EpisodeOptions

    def build(self) -> dict[str, keras.Model]:
        seen = keras.Input([2], name="observation")
        head = keras.layers.Dense(2, name="logits")
        policy = keras.Model(seen, {"logits": head(seen)}, name="policy")
        head.set_weights([np.zeros((2, 2), np.float32), np.array([0, 1], np.float32)])
        return {"policy": policy}

    def train_step(self, batch: Any, updates: Any) -> dict[str, tf.Tensor]:
        raise AssertionError("not trained here")


def source(length: int = 3, **options: Any) -> EpisodeSource:
    """Its source."""
    kind = type("WalkSource", (WalkSource,), {"length": length})
    return kind(EpisodeOptions(source="walk", **options), seed=0, base=Path())


def agent(length: int = 3, **options: Any) -> Walker:
    """The agent in corridors of this length."""
    return built(Walker, source(length, **options))


def built(kind: type[Any], made: EpisodeSource) -> Any:
    """An agent with its networks."""
    recipe: Any = SimpleNamespace(system=f"rl/{kind.__name__.lower()}", data=made.options, train=SimpleNamespace(seed=0))
    system = kind(recipe, made.info)
    system.networks = system.build()
    return system


def session(system: Any, made: EpisodeSource) -> Session:
    """The agent with the episodes of a source, without a run."""
    pipeline = Pipeline(made, made.options, system.fields, 0)
    resolved: Any = SimpleNamespace(recipe=system.recipe, path=Path("recipes/walker.yaml"))
    return Session(system.recipe, resolved, tf.distribute.get_strategy(), "fp32", False, pipeline, system, None)
