"""Generative adversarial imitation: an agent is rewarded where a discriminator takes what it does for what was recorded.

Paper: Ho and Ermon 2016, arXiv 1606.03476, algorithm 1.
Deviations: the policy moves by proximal policy optimization, not by trust regions; both players take Adam's steps of the same rate.
Shapes: `observation` `[B, ...]` and `action` `[B]`, or `[B, D]`, of B recorded steps; a rollout has as many; N lanes, T steps of a rollout.

A step plays `data.batch` steps of the environment, takes as many recorded ones, teaches the discriminator to tell them apart and the policy to be
taken for the expert. The environment's own rewards are shown, but not learnt from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.systems.rl._on_policy import ROLE
from kvision.systems.rl.ppo import PPO, PPOOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.system import Batch

DISCRIMINATOR = "discriminator"


class GAILOptions(PPOOptions):
    """The policy's updates, and the discriminator's."""

    discriminator_epochs: int = Field(10, ge=1, le=1000, description="Updates of the discriminator on each rollout.")


class GAIL(PPO):
    """PPO whose reward is a discriminator's."""

    Options = GAILOptions
    fields: ClassVar[frozenset[str]] = frozenset({"seed", "observation", "action"})
    reports: ClassVar[tuple[str, ...]] = (*PPO.reports, "discriminator_loss", "discriminator_accuracy")

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also an option of the environment's rewards, which are not learnt from."""
        options: GAILOptions = recipe.model  # type: ignore[assignment]
        told = f"got {options.reward}; the environment's rewards are not learnt from; leave it out"
        return super().check(recipe) + ([("model.reward", told)] if options.reward != "raw" else [])

    def build(self) -> dict[str, keras.Model]:
        """`policy`, `value` and `discriminator`."""
        return {**super().build(), DISCRIMINATOR: self._discriminator()}

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for policy and values, one for the discriminator."""
        return {**super().trainables(), DISCRIMINATOR: self.networks[DISCRIMINATOR].trainable_variables}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays a rollout, teaches the discriminator and learns from its rewards."""
        from kvision.engine import rows
        from kvision.systems.rl import _actor_critic, _network, _phase

        options: GAILOptions = self.recipe.model  # type: ignore[assignment]
        replicas = rows.place()[1]
        expert = {name: batch[name] for name in ("observation", "action")}

        def learn(rollout: dict[str, tf.Tensor], expert: Batch, order: tf.Tensor, clip: tf.Tensor) -> dict[str, tf.Tensor]:
            told = _phase.repeat(options.discriminator_epochs, lambda _: self._tell_apart(updates[DISCRIMINATOR], rollout, expert))
            data = self._actor_critic.judged({**rollout, "reward": self._reward(rollout)}, options.gae_lambda)
            explained = _actor_critic.explained_variance(data["value"], data["target"])
            found = _phase.repeat(order.shape[0], lambda number: self._update(updates[ROLE], data, order[number], clip), self.near())
            return {**found, **told, "explained_variance": explained / replicas}

        wanted = _network.body_of(self.spaces, options) == "mlp"
        given = (self._actor_critic.play(), expert, self._order(), self._clip(updates[ROLE]))
        return {**_phase.compiled(learn, *given, wanted=wanted), "return": self.collector.returns / replicas}

    def logit(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """How much the discriminator takes steps for the expert's, log-odds `[b]`; of observations and actions `[b, ...]`."""
        return self.networks[DISCRIMINATOR]({"observation": observation, "action": action}, training=True)["logit"]

    def _reward(self, rollout: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """`[T, n]`: -log D(s, a), D being the probability that the policy did it and not the expert."""
        import tensorflow as tf

        return tf.reshape(tf.math.softplus(self.logit(*self._played(rollout))), tf.shape(rollout["reward"]))

    def _played(self, rollout: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Observations and actions of a rollout, `[T * n, ...]`; actions as the environment took them, as those of an expert are."""
        import tensorflow as tf

        observation, action = rollout["observation"], self._actor_critic.distribution.taken(rollout["action"])
        return tf.reshape(observation, [-1, *observation.shape[2:]]), tf.reshape(action, [-1, *action.shape[2:]])

    def _tell_apart(self, update: Update, rollout: Mapping[str, tf.Tensor], expert: Batch) -> dict[str, tf.Tensor]:
        """One update of the discriminator on as many steps of both (eq. 17); its loss and accuracy, this replica's part."""
        import tensorflow as tf

        seen, done = self._played(rollout)
        pairs = {**expert, "played_observation": seen, "played_action": done}
        right: list[tf.Tensor] = []

        def losses(part: Batch) -> tf.Tensor:
            theirs = self.logit(part["observation"], part["action"])
            ours = self.logit(part["played_observation"], part["played_action"])
            right[:] = [tf.cast(theirs > 0, tf.float32), tf.cast(ours < 0, tf.float32)]
            return tf.math.softplus(-theirs) + tf.math.softplus(ours)

        loss = update.minimize(losses, pairs)
        return {"discriminator_loss": loss, "discriminator_accuracy": tf.reduce_sum(right[0] + right[1]) / (2 * self.recipe.data.batch)}

    def _discriminator(self) -> keras.Model:
        """From `observation` and `action` to `logit` `[B]`."""
        import keras

        from kvision.systems.rl import _bodies, _network

        options: GAILOptions = self.recipe.model  # type: ignore[assignment]
        spaces, normaliser = self.spaces, self._actor_critic.normaliser
        seen = _bodies.observation(spaces)
        if _network.body_of(spaces, options) == "mlp":
            x = _bodies.vector(spaces, seen, normaliser)
        else:
            x = _network.features(spaces, options, seen, normaliser, DISCRIMINATOR)
        action = keras.Input(spaces.action_shape, dtype=spaces.action_dtype, name="action")
        if spaces.discrete:
            chosen = [action] if len(spaces.actions) == 1 else keras.ops.unstack(action, axis=-1)
            parts = [keras.ops.one_hot(each, size) for each, size in zip(chosen, spaces.actions, strict=True)]
        else:
            parts = [action]
        x = _bodies.mlp(keras.layers.Concatenate(name="both")([x, *parts]), options.hidden, options.activation, DISCRIMINATOR)
        logit = keras.layers.Activation("linear", dtype="float32", name="logit_float")(_bodies.dense(1, 1.0, "logit")(x))
        inputs = {"observation": seen, "action": action}
        return keras.Model(inputs, {"logit": keras.layers.Reshape([], dtype="float32", name="logit_scalar")(logit)}, name=DISCRIMINATOR)
