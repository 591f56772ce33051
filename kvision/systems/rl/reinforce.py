"""REINFORCE: makes actions likelier by what followed them to the end of the episode, less a learnt baseline.

Paper: Williams 1992, Simple statistical gradient-following algorithms, doi 10.1007/BF00992696; Sutton and Barto 2018, section 13.4.
Deviations: rollouts have a fixed length; the last steps of a lane, whose episode goes on after the rollout, are not learnt from.
Shapes: M = N T steps of a rollout on N lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.schema import NonNegative
from kvision.systems.rl._on_policy import ROLE, OnPolicy
from kvision.systems.rl._part import NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.engine.optim import Update
    from kvision.engine.system import Batch


class ReinforceOptions(NetworkOptions):
    """The baseline, and what is done with returns."""

    baseline: Literal["value", "none"] = Field(
        "value", description="`value`: a network learns what to expect in a state; `none`: nothing is subtracted."
    )
    normalise_return: bool = Field(False, description="Give what actions are weighted by mean 0 and deviation 1 over each rollout.")
    entropy: NonNegative = Field(0.0, description="Weight of the entropy bonus.")
    value_weight: NonNegative = Field(0.5, description="Weight of the baseline's loss.")


class Reinforce(OnPolicy):
    """The Monte-Carlo policy gradient."""

    Options = ReinforceOptions
    reports: ClassVar[tuple[str, ...]] = ("return", "policy_loss", "value_loss", "entropy", "finished_share")

    def build(self) -> dict[str, keras.Model]:
        """`policy` (the actions' distribution) and, as the baseline, `value`."""
        return dict(self._actor_critic.networks if self._baseline else {"policy": self._actor_critic.networks["policy"]})

    @property
    def _baseline(self) -> bool:
        options: ReinforceOptions = self.recipe.model  # type: ignore[assignment]
        return options.baseline == "value"

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for all networks."""
        return {ROLE: self._actor_critic.trainables if self._baseline else self.networks["policy"].trainable_variables}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays a rollout and learns once from its episodes that are over."""
        import tensorflow as tf

        from kvision.engine import rows
        from kvision.systems.rl import _actor_critic

        del batch
        options: ReinforceOptions = self.recipe.model  # type: ignore[assignment]
        data, known = self._actor_critic.to_the_end(self._actor_critic.play(), baseline=self._baseline)
        if options.normalise_return:
            data["advantage"] = _actor_critic.normalised(data["advantage"], known)
        found: dict[str, tf.Tensor] = {}

        def losses(part: Batch) -> tf.Tensor:
            terms = self._actor_critic.gradient_terms(part, value=self._baseline)
            found.update({name: tf.reduce_sum(part["known"] * terms[name]) / self.data.batch for name in terms})
            loss = terms["policy_loss"] + options.value_weight * terms["value_loss"] - options.entropy * terms["entropy"]
            return part["known"] * loss

        loss = updates[ROLE].minimize(losses, {**data, "known": known})
        share = tf.reduce_sum(known) / self.data.batch
        return {"loss": loss, **found, "finished_share": share, "return": self.collector.returns / rows.place()[1]}
