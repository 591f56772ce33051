"""What all agents share: an environment, a policy that predicts, and evaluation by playing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from kvision.core.schema import Probability, Section
from kvision.data.episodes import EpisodeOptions
from kvision.engine.system import Batch, Monitor, Prediction, System

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.core.errors import KvisionError
    from kvision.core.schema import Recipe
    from kvision.data.environments.environment import Environment, Maker
    from kvision.data.environments.spaces import Spaces
    from kvision.engine.replica import AnyVariable
    from kvision.systems.rl._collector import Collector
    from kvision.systems.rl._episode import Player
    from kvision.systems.rl._play import Remembered


class AgentOptions(Section):
    """What agents have in common."""

    gamma: Probability = Field(0.99, description="Discount of the reward of the next step.")


class NetworkOptions(AgentOptions):
    """An agent whose policy is a network."""

    body: Literal["auto", "mlp", "nature", "impala"] = Field(
        "auto", description="What looks at observations; `auto`: `nature` for pictures, else `mlp`. nature: Mnih 2015; impala: Espeholt 2018."
    )
    hidden: tuple[int, ...] = Field((64, 64), description="Widths of the dense layers of an `mlp`.")
    activation: Literal["tanh", "relu", "elu", "gelu", "silu"] = Field("tanh", description="Of the dense layers.")
    normalise_observation: bool = Field(False, description="Subtract the running mean of the observations, and divide by their deviation.")
    reward: Literal["raw", "sign", "normalised"] = Field(
        "raw",
        description="What is learnt from: the reward, its sign, or it divided by the running deviation of returns. What is shown stays the return.",
    )


class Agent(System):
    """Acts in an environment; a leaf gives the networks, of which the first is the policy that predicts, and `train_step`."""

    Loss = Section
    fields: ClassVar[frozenset[str]] = frozenset({"seed"})
    given = "observation"
    monitor = Monitor("return", "max")
    reports: ClassVar[tuple[str, ...]] = ("return",)
    task = "policy"
    relative, plays, unit = True, True, "step"
    gates: ClassVar[Mapping[str, float]] = {"fp32": 1e-4, "fp16": 0.02, "dynamic": 0.02, "quantized": 0.02, "decisions": 0.02}

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """A source without an environment, a batch that the lanes can't share, and micro-batches."""
        data, count = recipe.data, recipe.optim.accumulate
        if not isinstance(data, EpisodeOptions):
            name = recipe.data.source
            return [("data.source", f"{name} has no environment to act in; use one that has, such as gymnasium with data.id=CartPole-v1")]
        found = []
        if data.batch % data.envs:
            fix = f"use a multiple of {data.envs}, such as {max(1, data.batch // data.envs) * data.envs}, or another data.envs"
            found.append(("data.batch", f"{data.batch} environment steps can't be shared by data.envs={data.envs} lanes; {fix}"))
        if count > 1:
            found.append(("optim.accumulate", f"got {count}; agents cut what they have played into minibatches of their own, so use 1"))
        return found

    @property
    def decision(self) -> str:  # type: ignore[override]
        """`action`, unless actions are quantities."""
        return "action" if self.spaces.discrete else ""

    @property
    def device_format(self) -> str:  # type: ignore[override]
        """Full int8 for pictures, which are whole numbers; eight bits for all of a vector are too few where angles stand beside speeds."""
        return "tflite-int8-full" if self.spaces.pictures else "tflite-dynamic"

    @property
    def data(self) -> EpisodeOptions:
        """How the environment is played."""
        return self.recipe.data  # type: ignore[return-value]

    @property
    def maker(self) -> Maker:
        """Of the environment."""
        if self.info.environment is None:
            raise TypeError(f"{self.recipe.data.source} has no environment")
        return self.info.environment

    @property
    def spaces(self) -> Spaces:
        """What the environment shows and takes."""
        return self.maker.spaces

    @functools.cached_property
    def collector(self) -> Collector:
        """Plays the training's lanes."""
        from kvision.systems.rl._collector import Collector

        return Collector(self.maker, self.data.envs, self.recipe.train.seed, self.first(self.data.envs))

    @property
    def rollout_length(self) -> int:
        """T, steps on each lane between two updates."""
        return self.data.batch // self.data.envs

    def carried(self) -> dict[str, AnyVariable]:
        """Where the training's lanes stand."""
        return dict(self.collector.variables)

    def blame(self) -> KvisionError | None:
        """What went wrong in a lane."""
        played = self.collector.environments if "collector" in self.__dict__ else []
        faults = [environment.fault for environment in (*played, *self._stages.values())]
        return next(filter(None, faults), None)

    def act(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The best actions `[B, *action_shape]` by the outputs `[B, ...]` of the policy network: of the largest logits, or the mean, clipped."""
        from kvision.systems.rl import _policy

        return _policy.choose(self.spaces).mode(said)

    def first(self, num: int) -> Remembered:
        """What is remembered at the beginning of an episode, `[N, ...]` by name: nothing, but by recurrent policies."""
        del num
        return {}

    def decide(self, observation: tf.Tensor, remembered: Remembered) -> tuple[tf.Tensor, Remembered]:
        """The best actions `[N, *action_shape]` for observations `[N, ...]`, and what is remembered then."""
        return self.act(self.net(observation, training=False)), remembered

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Plays the episodes of the batch to their ends."""
        import tensorflow as tf

        from kvision.systems.rl import _play

        environment = self.stage(batch["seed"].shape[0])
        returns, lengths = _play.episodes(environment, self, batch["seed"])
        weight = batch["weight"]
        sums = {
            "return": tf.reduce_sum(weight * returns),
            "length": tf.reduce_sum(weight * tf.cast(lengths, tf.float32)),
            "weight": tf.reduce_sum(weight),
        }
        return sums, {"worst": returns, "length": lengths}

    def stage(self, num: int, number: int = 0) -> Environment:
        """This replica's lanes for evaluation; there may be several, by number."""
        from kvision.engine import rows

        key = (rows.place()[0], num, number)
        if key not in self._stages:
            self._stages[key] = self.maker.make(num)
        return self._stages[key]

    @functools.cached_property
    def _stages(self) -> dict[tuple[int, int, int], Environment]:
        return {}

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean return and length of the episodes."""
        return {name: float(sums[name] / sums["weight"]) for name in ("return", "length")}

    def judge(self, answers: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Mean, median and interquartile mean of the returns with their intervals, and the share of the episodes that reach the threshold."""
        import numpy as np

        from kvision.metrics import episodes

        returns, threshold = answers["worst"], self.maker.threshold
        solved = {} if threshold is None else {"solved": float(np.mean(returns >= threshold))}
        return {**episodes.summary(returns), **solved}, dict(answers)

    def examples(self, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The episode of the lowest return, a typical one, and the best."""
        import numpy as np

        order = np.argsort(scores["worst"], kind="stable")
        return {"worst": order[:1], "typical": order[len(order) // 2 :][:1], "best": order[-1:]}

    def seen(self, examples: Batch, each: int = 1) -> tf.Tensor:
        """Observations that the policy comes to in the episodes of the batch."""
        import tensorflow as tf

        from kvision.systems.rl import _visits

        stage = self.stage(examples["seed"].shape[0], 1)  # not that of `eval_step`, which may be at play in the same graph
        key = (stage, each)
        if key not in self._visits:
            self._visits[key] = tf.function(lambda seeds: _visits.visited(stage, self, seeds, each))
        found: tf.Tensor = self._visits[key](examples["seed"])
        return found

    @functools.cached_property
    def _visits(self) -> dict[tuple[Environment, int], Callable[[tf.Tensor], tf.Tensor]]:
        return {}

    def play(self, seed: int) -> Prediction:
        """Plays an episode for people."""
        return self._player.play(seed)

    @functools.cached_property
    def _player(self) -> Player:
        from kvision.systems.rl._episode import Player

        return Player(self.maker, self)

    def with_networks(self, networks: Mapping[str, Any]) -> Self:
        """The same agent on other networks, with which it plays."""
        other = super().with_networks(networks)
        for own in ("_player", "_visits"):
            other.__dict__.pop(own, None)
        return other

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """`action` for observations `[B, ...]`, and what the policy network says."""
        said = self.net(image, training=False)
        return {"action": self.act(said), **said}

    def decoding(self) -> dict[str, Any]:
        """How actions are made of the policy network's outputs, the sizes or the bounds of the actions, and where a device can play."""
        spaces, said = self.spaces, self.net.output
        output = next(name for name in ("logits", "q_values", "mean") if name in said)
        policy = {"logits": "categorical", "q_values": "values", "mean": "gaussian"}[output]
        taken = {"actions": list(spaces.actions)} if spaces.discrete else {"low": list(spaces.low), "high": list(spaces.high)}
        place = {"environment": self.maker.device_id} if self.maker.device_id else {}
        return {"output": output, "policy": policy, **taken, **place}

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """The observation as a picture, or as the numbers that it is, and the action."""
        from kvision.systems.rl import _picture

        return _picture.observation(self.spaces, image, output["action"])
