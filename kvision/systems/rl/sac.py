"""Soft actor-critic: learns from a replay buffer a policy of high return that stays as random as it can afford; continuous actions, or discrete ones.

Paper: Haarnoja et al. 2018, arXiv 1801.01290 and arXiv 1812.05905; of discrete actions: Christodoulou 2019, arXiv 1910.07207.
Deviations: sums of several rewards, with `model.n_step`, leave out the entropy of the steps between.
Shapes: `observation` `[B, ...]`; of continuous actions `mean` and `log_std` `[B, D]` before tanh, of discrete ones `logits` `[B, A]`; m transitions
of a minibatch.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.core.schema import Positive, Probability
from kvision.systems.rl import _off_policy
from kvision.systems.rl._off_policy import OffPolicy, OffPolicyOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import Batch
    from kvision.systems.rl._collector import Draw
    from kvision.systems.rl._off_policy import Found
    from kvision.systems.rl._replay import Transitions

_NOISE = 230
"""Stream of the noise that actions are drawn with in learning."""
_DISCRETE_SHARE = 0.98
"""Christodoulou's target entropy, as a share of the greatest."""


class SACOptions(OffPolicyOptions):
    """How random the policy is to be, and how the target network follows."""

    minibatch: int = Field(256, ge=1, le=10**9, description="Transitions of an update, over all devices.")
    tau: Probability = Field(0.005, description="Share of the way that the target network goes towards the critic after each update.")
    temperature: Positive | None = Field(
        None, description="What a nat of entropy is worth; none: learnt, for the entropy to become `target_entropy`."
    )
    first_temperature: Positive = Field(1.0, description="What a learnt temperature begins with.")
    target_entropy: float | None = Field(None, description="Nats; none: -1 for each continuous action, 0.98 log A of A discrete ones.")


class SAC(OffPolicy):
    """A stochastic policy, and twin critics that tell what actions and the entropy to come are worth."""

    Options = SACOptions
    reports: ClassVar[tuple[str, ...]] = ("return", "policy_loss", "temperature", "entropy")

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also a buffer that is too small."""
        return [*super().check(recipe), *_off_policy.faults(recipe)]

    def build(self) -> dict[str, keras.Model]:
        """`policy`, `critic` and `target`, the critic's slow copy."""
        import keras

        from kvision.systems.rl import _twin
        from kvision.systems.rl._normalisation import RunningNormalization

        if len(self.spaces.actions) > 1:
            raise UsageError(f"system: rl/sac takes one discrete action or continuous ones; {self.maker.name} has {self.spaces}: use rl/ppo for it")
        options = self._options
        self._normaliser = RunningNormalization(name="normalise") if options.normalise_observation else None
        critic, target = (_twin.twins(self.spaces, options, self._normaliser, name) for name in ("critic", "target"))
        target.set_weights(critic.get_weights())
        self._log_temperature = keras.Variable(math.log(options.temperature or options.first_temperature), dtype="float32", name="log_temperature")
        return {"policy": self._policy(), "critic": critic, "target": target}

    def _policy(self) -> keras.Model:
        import keras

        from kvision.systems.rl import _bodies, _network
        from kvision.systems.rl._policy import LAST_GAIN, Categorical

        seen = _bodies.observation(self.spaces)
        x = _network.features(self.spaces, self._options, seen, self._normaliser, "policy")
        if self.spaces.discrete:
            return keras.Model(seen, Categorical(self.spaces.actions).head(x), name="policy")
        width = len(self.spaces.low)
        heads = {name: _bodies.dense(width, LAST_GAIN, name)(x) for name in ("mean", "log_std")}
        outputs = {name: keras.layers.Activation("linear", dtype="float32", name=f"{name}_float")(head) for name, head in heads.items()}
        return keras.Model(seen, outputs, name="policy")

    @property
    def _options(self) -> SACOptions:
        return self.recipe.model  # type: ignore[return-value]

    @property
    def target_entropy(self) -> float:
        """Nats that the policy is to have on average."""
        if self._options.target_entropy is not None:
            return self._options.target_entropy
        return _DISCRETE_SHARE * math.log(self.spaces.actions[0]) if self.spaces.discrete else -float(len(self.spaces.low))

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """Those of policy and critic, and the temperature if it is learnt."""
        found = {role: self.networks[role].trainable_variables for role in ("critic", "policy")}
        return found if self._options.temperature is not None else {**found, "temperature": [self._log_temperature]}

    def carried(self) -> dict[str, AnyVariable]:
        """Where the lanes stand, the replay buffer, and the temperature."""
        return {**super().carried(), "log_temperature": self._log_temperature}

    def act(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The likeliest discrete action, or the squashed mean within the bounds."""
        import tensorflow as tf

        from kvision.systems.rl import _squashed

        return super().act(said) if self.spaces.discrete else _squashed.spread(tf.tanh(said["mean"]), self.spaces)

    def decoding(self) -> dict[str, Any]:
        """Continuous actions are squashed."""
        return {**super().decoding(), **({} if self.spaces.discrete else {"log_std": "log_std", "squash": True})}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays, and learns from what was played at any time."""
        del batch
        experience = self.experience
        experience.play(self._normaliser)
        batches = experience.draw()
        if not self.spaces.discrete:
            batches |= {name: experience.noises(len(self.spaces.low), _NOISE + number) for number, name in enumerate(("noise_tm1", "noise_t"))}
        found = experience.learn(batches, ("loss", *type(self).reports[1:]), functools.partial(self._update, updates))
        return {**found, **self.told()}

    def explore(self, observation: tf.Tensor, draw: Draw) -> dict[str, tf.Tensor]:
        """Any action as long as nothing is learnt, then one that the policy draws."""
        import tensorflow as tf

        from kvision.systems.rl import _policy, _squashed

        said, at_random = self.net(observation, training=False), self.collector.steps < self._options.learning_starts
        if self.spaces.discrete:
            action, any_action = _policy.choose(self.spaces).sample(said, draw), draw.integers(self.spaces.actions[0])
        else:
            width = len(self.spaces.low)
            drawn, _ = _squashed.sample(said["mean"], said["log_std"], draw.normal([width]))
            action, any_action = (_squashed.spread(each, self.spaces) for each in (drawn, 2.0 * draw.uniform([width]) - 1.0))
        return {"action": tf.where(at_random, any_action, action)}

    def _update(self, updates: Mapping[str, Update], minibatch: Transitions) -> Found:
        """One update of the critic, the policy and the temperature, and of the target network."""
        import tensorflow as tf

        size, said = self._options.minibatch, {}
        temperature = tf.exp(self._log_temperature.value)
        value_t, _ = self.soft_value("target", minibatch["s_t"], minibatch.get("noise_t"), temperature)
        target = tf.stop_gradient(minibatch["r_t"] + minibatch["discount_t"] * value_t)

        def of_critic(part: Batch) -> tf.Tensor:
            error = part["target"][:, None] - self.worth("critic", part["s_tm1"], part["a_tm1"])
            said["error"] = tf.reduce_mean(tf.abs(error), axis=1)
            return 0.5 * tf.reduce_sum(tf.square(error), axis=1)

        def of_policy(part: Batch) -> tf.Tensor:
            value, entropy = self.soft_value("critic", part["s_tm1"], part.get("noise_tm1"), temperature)
            said["entropy"] = tf.stop_gradient(entropy)
            return -value

        def of_temperature(part: Batch) -> tf.Tensor:
            return self._log_temperature.value * (part["entropy"] - self.target_entropy)

        found = {"loss": updates["critic"].minimize(of_critic, {**minibatch, "target": target}, of=size)}
        found["policy_loss"] = updates["policy"].minimize(of_policy, minibatch, of=size)
        if "temperature" in updates:
            updates["temperature"].minimize(of_temperature, {"entropy": said["entropy"], "weight": minibatch["weight"]}, of=size)
        _off_policy.follow(self.networks["target"], self.networks["critic"], self._options.tau)
        replicas = size / minibatch["weight"].shape[0]
        return {**found, "temperature": temperature / replicas, "entropy": tf.reduce_sum(said["entropy"]) / size}, said["error"]

    def worth(self, role: str, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """What both critics think of actions, `[B, 2]`.

        Args:
            role: `critic` or `target`.
            observation: `[B, ...]`.
            action: As the environment takes them, `[B, *action_shape]`.

        Returns:
            `[B, 2]`.
        """
        import tensorflow as tf

        from kvision.systems.rl import _squashed

        if self.spaces.discrete:
            return tf.gather(self.networks[role](observation, training=True), action[:, None], axis=2, batch_dims=1)[:, :, 0]
        return self.networks[role]({"observation": observation, "action": _squashed.folded(action, self.spaces)}, training=True)

    def soft_value(self, role: str, observation: tf.Tensor, noise: tf.Tensor | None, temperature: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What states are worth by the lower critic, the policy's entropy in them included: in the mean over discrete actions, or by a drawn action.

        Args:
            role: `critic` or `target`.
            observation: `[B, ...]`.
            noise: Normal numbers `[B, D]` that continuous actions are drawn with; else none.
            temperature: What a nat is worth, scalar.

        Returns:
            Values `[B]`, and entropies `[B]`, or what one draw says of them.

        References:
            Haarnoja et al. 2018, arXiv 1812.05905, eq. 3; Christodoulou 2019, arXiv 1910.07207, eq. 10.
        """
        import tensorflow as tf

        from kvision.systems.rl import _squashed

        said, critic = self.net(observation, training=True), self.networks[role]
        if self.spaces.discrete:
            log_p, q = tf.nn.log_softmax(said["logits"]), tf.reduce_min(critic(observation, training=True), axis=1)
            entropy = -tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1)
            return tf.reduce_sum(tf.exp(log_p) * q, axis=-1) + temperature * entropy, entropy
        action, log_p = _squashed.sample(said["mean"], said["log_std"], noise)
        q = tf.reduce_min(critic({"observation": observation, "action": action}, training=True), axis=1)
        return q - temperature * log_p, -log_p
