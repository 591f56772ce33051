"""Proximal policy optimization: learns from each rollout many times, but stays near the policy that played it.

Paper: Schulman et al. 2017, arXiv 1707.06347; details: Huang et al. 2022, The 37 Implementation Details of Proximal Policy Optimization.
Deviations: reward normalisation takes a whole rollout into account at once, not step by step.
Shapes: M steps of a minibatch, N lanes, T steps of a rollout, A actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.core.schema import Count, NonNegative, Positive, Probability
from kvision.systems.rl._on_policy import ROLE, OnPolicy, RecurrentOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import tensorflow as tf

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.system import Batch

SHUFFLE_STREAM = 1_000_133
"""Keeps the order of minibatches apart from all other draws."""


class PPOOptions(RecurrentOptions):
    """How far and how often the policy moves on one rollout."""

    gae_lambda: Probability = Field(0.95, description="Lambda of the generalised advantages (Schulman 2016).")
    clip: Positive = Field(0.2, description="How far the ratio of new to old probability counts, above and below 1.")
    clip_follows_lr: bool = Field(False, description="Scale `clip` as the schedule scales the learning rate.")
    value_clip: Positive | None = Field(None, description="How far values may move from those of the rollout; none: as far as they like.")
    epochs: Count = Field(10, description="How often a rollout is learnt from.")
    minibatch: Count = Field(64, description="Steps of an update, over all replicas; `data.batch` must be a multiple of it.")
    target_kl: Positive | None = Field(
        None, description="No more updates on a rollout after one whose approximate KL divergence from the policy that played is above 1.5 of it."
    )
    entropy: NonNegative = Field(0.0, description="Weight of the entropy bonus.")
    value_weight: NonNegative = Field(0.5, description="Weight of the value's loss.")
    normalise_advantage: bool = Field(True, description="Give the advantages of each minibatch mean 0 and deviation 1.")


class PPO(OnPolicy):
    """The clipped surrogate, with all details that are known to matter as options."""

    Options = PPOOptions
    reports: ClassVar[tuple[str, ...]] = ("return", "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "explained_variance")
    exempt: ClassVar[Mapping[str, str]] = {
        "overfits": "an agent's examples are the states that it comes to, so there is no batch to learn by heart",
    }

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also a rollout that can't be cut into minibatches."""
        options: PPOOptions = recipe.model  # type: ignore[assignment]
        found, batch = super().check(recipe), recipe.data.batch
        if batch % options.minibatch:
            fault = f"{options.minibatch} steps don't divide data.batch={batch}; use a divisor of {batch}"
            found.append(("model.minibatch", fault))
        elif options.recurrent != "none" and (length := batch // recipe.data.envs) and options.minibatch % length:  # type: ignore[attr-defined]
            fault = f"{options.minibatch} steps are no whole lanes of {length}, which model.recurrent needs; use a multiple of {length}"
            found.append(("model.minibatch", fault))
        return found

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays a rollout and learns from it."""
        from kvision.engine import rows
        from kvision.systems.rl import _actor_critic, _network, _phase

        del batch
        options: PPOOptions = self.recipe.model  # type: ignore[assignment]
        replicas = rows.place()[1]
        rollout = self._actor_critic.play()
        order, clip = self._order(), self._clip(updates[ROLE])

        def learn(rollout: dict[str, tf.Tensor], order: tf.Tensor, clip: tf.Tensor) -> dict[str, tf.Tensor]:
            data = self._actor_critic.judged(rollout, options.gae_lambda)
            explained = _actor_critic.explained_variance(data["value"], data["target"])
            found = _phase.repeat(order.shape[0], lambda number: self._update(updates[ROLE], data, order[number], clip), self.near())
            return {**found, "explained_variance": explained / replicas}

        wanted = _network.body_of(self.spaces, options) == "mlp"
        found = _phase.compiled(learn, rollout, order, clip, wanted=wanted)
        return {**found, "return": self.collector.returns / replicas}

    def near(self) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor] | None:
        """How to tell that the policy is near enough for another update.

        Returns:
            Whether it is, by what the last update gave; none: it always is.

        Raises:
            UsageError: If there are several devices, whose updates can't be stopped halfway.
        """
        from kvision.engine import rows

        limit: float | None = self.recipe.model.target_kl  # type: ignore[attr-defined]
        if limit is None:
            return None
        if rows.place()[1] > 1:
            raise UsageError(f"model.target_kl: {limit} is for one device, and there are {rows.place()[1]}; leave it out, or use another --devices")
        return lambda found: found["approx_kl"] <= 1.5 * limit

    def _order(self) -> tf.Tensor:
        """Which steps of this replica's rollout each update is made on, int32 `[updates, m]`: each once an epoch, in whole lanes with a memory."""
        import tensorflow as tf

        from kvision.engine import rows

        options: PPOOptions = self.recipe.model  # type: ignore[assignment]
        number, replicas = rows.place()
        steps, size = self.recipe.data.batch // replicas, options.minibatch // replicas
        if size == steps:
            return tf.tile(tf.range(steps)[None], [options.epochs, 1])
        seed = tf.stack([tf.constant(self.recipe.train.seed + SHUFFLE_STREAM * (1 + number), tf.int64), tf.identity(self.collector.steps)])
        if not self.remembers:
            keys = tf.random.stateless_uniform([options.epochs, steps], seed)
            return tf.reshape(tf.argsort(keys, axis=-1), [-1, size])
        length, lanes = self.rollout_length, self.data.envs // replicas
        if size % length:
            raise UsageError(f"model.minibatch: {size} steps a device are no whole lanes of {length}; use a multiple of {length * replicas}")
        order = tf.argsort(tf.random.stateless_uniform([options.epochs, lanes], seed), axis=-1)
        chosen = tf.reshape(order, [-1, 1, size // length])
        return tf.reshape(lanes * tf.range(length)[:, None] + chosen, [-1, size])

    def _clip(self, update: Update) -> tf.Tensor:
        import tensorflow as tf

        options: PPOOptions = self.recipe.model  # type: ignore[assignment]
        if not options.clip_follows_lr:
            return tf.constant(options.clip)
        return options.clip * update.learning_rate() / self.recipe.optim.lr

    def _update(self, update: Update, data: Mapping[str, tf.Tensor], chosen: tf.Tensor, clip: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update on some steps; the scalars that are reported, this replica's part."""
        import tensorflow as tf

        options: PPOOptions = self.recipe.model  # type: ignore[assignment]
        minibatch = {name: tf.gather(values, chosen) for name, values in data.items()}
        if options.normalise_advantage:
            from kvision.systems.rl import _actor_critic

            minibatch["advantage"] = _actor_critic.normalised(minibatch["advantage"])
        found: dict[str, tf.Tensor] = {}

        def losses(part: Batch) -> tf.Tensor:
            terms = self.terms(part, clip)
            found.update({name: tf.reduce_sum(terms[name]) / options.minibatch for name in terms})
            return terms["policy_loss"] + options.value_weight * terms["value_loss"] - options.entropy * terms["entropy"]

        return {"loss": update.minimize(losses, minibatch, of=options.minibatch), **found}

    def terms(self, part: Mapping[str, tf.Tensor], clip: tf.Tensor | float) -> dict[str, tf.Tensor]:
        """What the loss of each step is made of, and how far the policy has moved.

        Args:
            part: `[m, ...]`: observation, action, log_prob, advantage, target and value of steps that were played.
            clip: Epsilon.

        Returns:
            `[m]` each: policy_loss (eq. 7), value_loss, entropy, approx_kl and clip_fraction.
        """
        import tensorflow as tf

        options: PPOOptions = self.recipe.model  # type: ignore[assignment]
        said, value = self._actor_critic.said(part)
        log_ratio = self._actor_critic.distribution.log_prob(said, part["action"]) - part["log_prob"]
        ratio, advantage = tf.exp(log_ratio), part["advantage"]
        surrogate = tf.minimum(ratio * advantage, tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip) * advantage)
        error = tf.square(value - part["target"])
        if options.value_clip is not None:
            near = part["value"] + tf.clip_by_value(value - part["value"], -options.value_clip, options.value_clip)
            error = tf.maximum(error, tf.square(near - part["target"]))
        return {
            "policy_loss": -surrogate,
            "value_loss": error,
            "entropy": self._actor_critic.distribution.entropy(said),
            "approx_kl": tf.stop_gradient(ratio - 1.0 - log_ratio),  # k3 of Schulman 2020, http://joschu.net/blog/kl-approx.html
            "clip_fraction": tf.cast(tf.abs(ratio - 1.0) > clip, tf.float32),
        }
