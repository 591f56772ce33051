"""Advantage actor-critic: one update on each short rollout, by n-step returns or generalised advantages.

Paper: Mnih et al. 2016, Asynchronous Methods for Deep Reinforcement Learning, arXiv 1602.01783
Deviations: lanes are played in step (A2C), not asynchronously (A3C).
Shapes: M = N T steps of a rollout on N lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.core.schema import NonNegative, Probability
from kvision.systems.rl._on_policy import ROLE, OnPolicy, RecurrentOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tensorflow as tf

    from kvision.engine.optim import Update
    from kvision.engine.system import Batch


class A2COptions(RecurrentOptions):
    """What the loss is made of."""

    gae_lambda: Probability = Field(1.0, description="Lambda of the generalised advantages; 1: all rewards of the rollout count.")
    entropy: NonNegative = Field(0.0, description="Weight of the entropy bonus.")
    value_weight: NonNegative = Field(0.5, description="Weight of the value's loss.")
    normalise_advantage: bool = Field(False, description="Give the advantages of each rollout mean 0 and deviation 1.")


class A2C(OnPolicy):
    """The policy gradient with a learnt baseline."""

    Options = A2COptions
    reports: ClassVar[tuple[str, ...]] = ("return", "policy_loss", "value_loss", "entropy", "explained_variance")
    exempt: ClassVar[Mapping[str, str]] = {
        "overfits": "an agent's examples are the states that it comes to, so there is no batch to learn by heart",
    }

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays a rollout and learns from it once."""
        from kvision.engine import rows
        from kvision.systems.rl import _network, _phase

        del batch
        options: A2COptions = self.recipe.model  # type: ignore[assignment]
        rollout = self._actor_critic.play()
        wanted = _network.body_of(self.spaces, options) == "mlp"
        found = _phase.compiled(lambda rollout: self._learn(updates[ROLE], rollout), rollout, wanted=wanted)
        return {**found, "return": self.collector.returns / rows.place()[1]}

    def _learn(self, update: Update, rollout: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        from kvision.engine import rows
        from kvision.systems.rl import _actor_critic

        options: A2COptions = self.recipe.model  # type: ignore[assignment]
        data = self._actor_critic.judged(rollout, options.gae_lambda)
        explained = _actor_critic.explained_variance(data["value"], data["target"])
        if options.normalise_advantage:
            data["advantage"] = _actor_critic.normalised(data["advantage"])
        found: dict[str, tf.Tensor] = {}

        def losses(part: Batch) -> tf.Tensor:
            terms = self._actor_critic.gradient_terms(part)
            found.update({name: tf.reduce_sum(terms[name]) / self.data.batch for name in terms})
            return terms["policy_loss"] + options.value_weight * terms["value_loss"] - options.entropy * terms["entropy"]

        return {"loss": update.minimize(losses, data), **found, "explained_variance": explained / rows.place()[1]}
