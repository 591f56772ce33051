"""What agents share that learn from a rollout with a policy and a value function, and then throw it away: REINFORCE, A2C and PPO."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Count
from kvision.systems.rl._part import Agent, NetworkOptions

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kvision.engine.replica import AnyVariable
    from kvision.systems.rl._actor_critic import ActorCritic
    from kvision.systems.rl._play import Remembered

ROLE = "agent"
"""Of the one optimizer."""


class RecurrentOptions(NetworkOptions):
    """Networks that may remember what was shown before in their episode."""

    recurrent: Literal["none", "lstm", "gru"] = Field(
        "none", description="A memory behind the body, which policy and values then share: for environments that do not show all that counts."
    )
    recurrent_units: Count = Field(64, description="Width of the memory.")


class OnPolicy(Agent):
    """A policy and a value function that are learnt together."""

    @property
    def remembers(self) -> bool:
        """Whether its networks have a memory."""
        return getattr(self.recipe.model, "recurrent", "none") != "none"

    def first(self, num: int) -> Remembered:
        """Zeros `memory` `[N, M]`, where there is a memory."""
        return self._actor_critic.first(num)

    def decide(self, observation: tf.Tensor, remembered: Remembered) -> tuple[tf.Tensor, Remembered]:
        """The best actions, and what is remembered then."""
        if not remembered:
            return super().decide(observation, remembered)
        said = self.net([observation, remembered["memory"]], training=False)
        return self.act(said), {"memory": said["memory"]}

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """As every agent's; with a memory, what is said at the beginning of an episode."""
        if not self.remembers:
            return super().predict_step(image)
        said = self.net([image, self.first(image.shape[0])["memory"]], training=False)
        return {"action": self.act(said), **said}

    @property
    def not_exported(self) -> str:
        """An exported file takes one observation, and remembers nothing."""
        if not self.remembers:
            return ""
        kind = self.recipe.model.recurrent  # type: ignore[attr-defined]
        return f"model.recurrent: {kind} remembers, and exported files take one observation alone; train with none, and data.frame_stack if need be"

    def build(self) -> dict[str, keras.Model]:
        """`policy` (the actions' distribution) and `value`."""
        return self._actor_critic.networks

    @functools.cached_property
    def _actor_critic(self) -> ActorCritic:
        from kvision.systems.rl._actor_critic import ActorCritic

        return ActorCritic(self)

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for both networks, whose gradients are clipped together."""
        return {ROLE: self._actor_critic.trainables}

    def carried(self) -> dict[str, AnyVariable]:
        """Where the lanes stand, and what rewards are normalised by."""
        return {**super().carried(), **self._actor_critic.variables}
