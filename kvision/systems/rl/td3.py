"""Twin delayed deep deterministic policy gradient: one best action for each state, learnt by two critics of which the lower one is believed.

Paper: Fujimoto et al. 2018, arXiv 1802.09477.
Deviations: actions are random until the buffer holds `model.learning_starts` transitions, and not for a fixed number of steps.
Shapes: `observation` `[B, ...]`, `mean` `[B, D]` within the environment's bounds; K minibatches of m transitions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.core.schema import Count, NonNegative, Probability
from kvision.systems.rl import _off_policy
from kvision.systems.rl._off_policy import OffPolicy, OffPolicyOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.system import Batch
    from kvision.systems.rl._collector import Draw
    from kvision.systems.rl._off_policy import Found
    from kvision.systems.rl._part import Agent
    from kvision.systems.rl._replay import Transitions

_NOISE = 220
"""Stream of the noise that target actions are smoothed with."""


class TD3Options(OffPolicyOptions):
    """How it explores, how target actions are smoothed, and how the target networks follow."""

    minibatch: int = Field(256, ge=1, le=10**9, description="Transitions of an update, over all devices.")
    gradient_steps: Count = Field(2, description="Updates of the critics after each `data.batch` environment steps; a multiple of `policy_delay`.")
    policy_delay: Count = Field(2, description="Updates of the critics for each one of the policy and the target networks.")
    tau: Probability = Field(0.005, description="Share of the way that the target networks go towards the others.")
    exploration: NonNegative = Field(0.1, description="Deviation of the noise that is added to actions while playing, in halves of their range.")
    smoothing: NonNegative = Field(0.2, description="Deviation of the noise that is added to the target policy's actions, likewise.")
    smoothing_clip: NonNegative = Field(0.5, description="Largest such noise.")


class TD3(OffPolicy):
    """A deterministic policy, and twin critics."""

    Options = TD3Options
    reports: ClassVar[tuple[str, ...]] = ("return", "policy_loss")

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also a buffer that is too small, and updates that the policy's do not divide."""
        options: TD3Options = recipe.model  # type: ignore[assignment]
        found = [*super().check(recipe), *_off_policy.faults(recipe)]
        if options.gradient_steps % options.policy_delay:
            better = -(-options.gradient_steps // options.policy_delay) * options.policy_delay
            fault = f"{options.gradient_steps} is not a multiple of model.policy_delay={options.policy_delay}; use {better}, or another policy_delay"
            found.append(("model.gradient_steps", fault))
        return found

    def build(self) -> dict[str, keras.Model]:
        """`policy` and `critic`, and the slow copies `policy_target` and `critic_target`."""
        from kvision.systems.rl import _twin
        from kvision.systems.rl._normalisation import RunningNormalization

        if self.spaces.discrete:
            raise UsageError(f"system: rl/td3 takes continuous actions, and {self.maker.name} has {self.spaces}; use rl/dqn, rl/sac or rl/ppo for it")
        self._normaliser = RunningNormalization(name="normalise") if self._options.normalise_observation else None
        networks = {role: self._policy(role) for role in ("policy", "policy_target")}
        networks |= {role: _twin.twins(self.spaces, self._options, self._normaliser, role) for role in ("critic", "critic_target")}
        for role in ("policy", "critic"):
            networks[f"{role}_target"].set_weights(networks[role].get_weights())
        return networks

    def _policy(self, role: str) -> keras.Model:
        import keras
        import numpy as np

        from kvision.systems.rl import _bodies, _network
        from kvision.systems.rl._policy import LAST_GAIN

        seen = _bodies.observation(self.spaces)
        x = _network.features(self.spaces, self._options, seen, self._normaliser, role)
        x = keras.layers.Activation("tanh", dtype="float32", name="squash")(_bodies.dense(len(self.spaces.low), LAST_GAIN, f"{role}_action")(x))
        low, high = np.array(self.spaces.low), np.array(self.spaces.high)
        spread = keras.layers.Rescaling(((high - low) / 2).tolist(), ((high + low) / 2).tolist(), dtype="float32", name="spread")
        return keras.Model(seen, {"mean": spread(x)}, name=role)

    @property
    def _options(self) -> TD3Options:
        return self.recipe.model  # type: ignore[return-value]

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """Those of policy and critic."""
        return {role: self.networks[role].trainable_variables for role in ("critic", "policy")}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays, and learns from what was played at any time."""
        del batch
        experience, options = self.experience, self._options
        experience.play(self._normaliser)
        batches = experience.draw()
        batches["noise_t"] = experience.noises(len(self.spaces.low), _NOISE)
        found = experience.learn(batches, ("loss", "policy_loss"), functools.partial(self._update, updates), together=options.policy_delay)
        return {**found, **self.told()}

    def explore(self, observation: tf.Tensor, draw: Draw) -> dict[str, tf.Tensor]:
        """Any action as long as nothing is learnt, then the policy's with noise."""
        import tensorflow as tf

        from kvision.systems.rl import _squashed

        width = len(self.spaces.low)
        noisy = self.best("policy", observation) + self._options.exploration * draw.normal([width])
        at_random = self.collector.steps < self._options.learning_starts
        action = tf.where(at_random, 2.0 * draw.uniform([width]) - 1.0, tf.clip_by_value(noisy, -1.0, 1.0))
        return {"action": _squashed.spread(action, self.spaces)}

    def _update(self, updates: Mapping[str, Update], minibatches: Transitions) -> Found:
        """Updates of the critics on each of K minibatches `[K, m, ...]`, then one of the policy on the last of them, and of the target networks."""
        import tensorflow as tf

        options, losses, errors = self._options, [], []
        for number in range(options.policy_delay):
            minibatch = {name: values[number] for name, values in minibatches.items()}
            target = self.target(minibatch)
            said: dict[str, tf.Tensor] = {}

            def of_critic(part: Batch, said: dict[str, tf.Tensor] = said) -> tf.Tensor:
                error = part["target"][:, None] - self.worth("critic", part["s_tm1"], _folded(self, part["a_tm1"]))
                said["error"] = tf.reduce_mean(tf.abs(error), axis=1)
                return 0.5 * tf.reduce_sum(tf.square(error), axis=1)

            losses.append(updates["critic"].minimize(of_critic, {**minibatch, "target": target}, of=options.minibatch))
            errors.append(said["error"])

        def of_policy(part: Batch) -> tf.Tensor:
            return -self.worth("critic", part["s_tm1"], self.best("policy", part["s_tm1"]))[:, 0]

        policy_loss = updates["policy"].minimize(of_policy, minibatch, of=options.minibatch)
        for role in ("policy", "critic"):
            _off_policy.follow(self.networks[f"{role}_target"], self.networks[role], options.tau)
        return {"loss": tf.add_n(losses) / len(losses), "policy_loss": policy_loss}, tf.stack(errors)

    def target(self, minibatch: Transitions) -> tf.Tensor:
        """What the actions of a minibatch should be worth `[m]`: by the lower target critic, near the action that the target policy would take.

        Args:
            minibatch: With `noise_t`, normal numbers `[m, D]`.

        Returns:
            `[m]`.

        References:
            Fujimoto et al. 2018, arXiv 1802.09477, eq. 14 and algorithm 1.
        """
        import tensorflow as tf

        options = self._options
        noise = tf.clip_by_value(options.smoothing * minibatch["noise_t"], -options.smoothing_clip, options.smoothing_clip)
        a_t = tf.clip_by_value(self.best("policy_target", minibatch["s_t"]) + noise, -1.0, 1.0)
        q_t = tf.reduce_min(self.worth("critic_target", minibatch["s_t"], a_t), axis=1)
        return tf.stop_gradient(minibatch["r_t"] + minibatch["discount_t"] * q_t)

    def best(self, role: str, observation: tf.Tensor) -> tf.Tensor:
        """The action of `policy` or `policy_target` for observations `[B, ...]`, in -1..1, `[B, D]`."""
        return _folded(self, self.networks[role](observation, training=True)["mean"])

    def worth(self, role: str, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """What both parts of `critic` or `critic_target` think of actions `[B, D]` in -1..1, `[B, 2]`."""
        return self.networks[role]({"observation": observation, "action": action}, training=True)


def _folded(agent: Agent, action: tf.Tensor) -> tf.Tensor:
    """Actions as the environment takes them, brought to -1..1."""
    from kvision.systems.rl import _squashed

    return _squashed.folded(action, agent.spaces)
