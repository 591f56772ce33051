"""A policy and a value function, and what a rollout says of both: what REINFORCE, A2C and PPO share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.ops import returns
from kvision.systems.rl import _memory, _network, _normalisation, _policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from kvision.systems.rl._collector import Draw, Rollout
    from kvision.systems.rl._on_policy import OnPolicy
    from kvision.systems.rl._part import NetworkOptions
    from kvision.systems.rl._play import Remembered

KEPT = ("observation", "action", "log_prob", "advantage", "target", "value", "memory", "begun")
"""The last two only where policies remember."""


class ActorCritic:
    """The networks `policy` and `value` of an agent.

    Args:
        agent: Its options and its environment are read.
    """

    def __init__(self, agent: OnPolicy) -> None:
        options: NetworkOptions = agent.recipe.model  # type: ignore[assignment]
        self._agent, self._options = agent, options
        self.distribution = _policy.choose(agent.spaces)
        self.normaliser = _normalisation.RunningNormalization(name="normalise") if options.normalise_observation else None
        given = (agent.spaces, options, self.distribution, self.normaliser)
        self._recurrent = _memory.Recurrent(*given) if agent.remembers else None  # type: ignore[arg-type]
        self.networks = self._recurrent.networks if self._recurrent else _network.actor_critic(*given)
        self._rewards = _normalisation.Returns(agent.data.envs, options.gamma) if options.reward == "normalised" else None

    @property
    def trainables(self) -> list[keras.Variable]:
        """Of both networks; what they share counts once."""
        found = {id(variable): variable for network in self.networks.values() for variable in network.trainable_variables}
        return list(found.values())

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """What rewards are normalised by."""
        return {} if self._rewards is None else self._rewards.variables

    def first(self, num: int) -> Remembered:
        """What is remembered at the beginning of an episode, `[N, M]`."""
        return {} if self._recurrent is None else {"memory": tf.zeros([num, self.networks["policy"].inputs[1].shape[1]])}

    def value(self, observation: tf.Tensor, memory: tf.Tensor | None = None) -> tf.Tensor:
        """`[B]`, of observations `[B, ...]`, and of what was remembered `[B, M]` before."""
        return self.networks["value"](observation if memory is None else [observation, memory], training=False)["value"]

    def said(self, part: Mapping[str, tf.Tensor], *, value: bool = True) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """What the networks say of steps that are learnt from, and that gradients go through.

        Args:
            part: `[m, ...]`, as `judged` gives it; of policies that remember, the steps of whole lanes, time first.
            value: Whether there is a value to learn; else it is 0.

        Returns:
            The outputs of the policy `[m, ...]`, and values `[m]`.
        """
        if self._recurrent is not None:
            return self._recurrent.said(part, self._agent.rollout_length)
        said = self.networks["policy"](part["observation"], training=True)
        return said, self.networks["value"](part["observation"], training=True)["value"] if value else tf.zeros_like(part["target"])

    def play(self) -> Rollout:
        """A rollout with drawn actions and their `log_prob`."""
        plain = _network.body_of(self._agent.spaces, self._options) == "mlp"
        rollout = self._agent.collector.rollout(self._act, self._agent.rollout_length, compiled=plain)
        if self.normaliser is not None:
            self.normaliser.see(_flat(rollout["observation"]))
        reward = rollout["reward"]
        if self._options.reward == "sign":
            reward = tf.sign(reward)
        elif self._rewards is not None:
            reward = self._rewards.normalised(reward, rollout["terminated"] | rollout["truncated"])
        return {**rollout, "reward": reward}

    def judged(self, rollout: Mapping[str, tf.Tensor], gae_lambda: float) -> dict[str, tf.Tensor]:
        """What is learnt from a rollout, its steps one after the other.

        Args:
            rollout: As `play` gives it, `[T, n, ...]`.
            gae_lambda: Lambda of the advantages; 1: all rewards that there are.

        Returns:
            `[T * n, ...]`: observation, action, log_prob, advantage, target (of the value) and value.
        """
        shape = tf.shape(rollout["reward"])
        before, after = ([_flat(rollout[name])] if self._recurrent else [] for name in ("memory", "remembered"))
        v_tm1 = tf.reshape(self.value(_flat(rollout["observation"]), *before), shape)
        v_t = tf.reshape(self.value(_flat(rollout["final_observation"]), *after), shape)
        discount_t = self._options.gamma * (1.0 - tf.cast(rollout["terminated"], tf.float32))
        ends = rollout["terminated"] | rollout["truncated"]
        advantage = returns.gae(rollout["reward"], discount_t, v_tm1, v_t, gae_lambda, ends)
        found = {**rollout, "advantage": advantage, "target": advantage + v_tm1, "value": v_tm1}
        return {name: tf.stop_gradient(_flat(found[name])) for name in KEPT if name in found}

    def to_the_end(self, rollout: Mapping[str, tf.Tensor], *, baseline: bool) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """As `judged`, but targets are the returns to the end of the episode, and advantages these less the value, or as they are.

        Args:
            rollout: As `play` gives it, `[T, n, ...]`.
            baseline: Whether the value is subtracted.

        Returns:
            The same by name; and `[T * n]`, 1 for the steps of episodes that are over, whose return is therefore known, else 0.
        """
        ends = rollout["terminated"] | rollout["truncated"]
        discount_t = self._options.gamma * (1.0 - tf.cast(ends, tf.float32))
        target = returns.discounted(rollout["reward"], discount_t, tf.zeros_like(rollout["reward"][0]))
        known = tf.cumsum(tf.cast(ends, tf.float32), axis=0, reverse=True) > 0
        value = tf.reshape(self.value(_flat(rollout["observation"])), tf.shape(target)) if baseline else tf.zeros_like(target)
        found = {**rollout, "advantage": target - value, "target": target, "value": value}
        return {name: tf.stop_gradient(_flat(found[name])) for name in KEPT if name in found}, tf.cast(_flat(known), tf.float32)

    def gradient_terms(self, part: Mapping[str, tf.Tensor], *, value: bool = True) -> dict[str, tf.Tensor]:
        """What the loss of the policy gradient is made of, for each step.

        Args:
            part: `[m, ...]`, as `judged` gives it.
            value: Whether there is a value to learn.

        Returns:
            `[m]` each: policy_loss (Sutton and Barto 2018, eq. 13.11), value_loss and entropy.
        """
        said, worth = self.said(part, value=value)
        policy = -part["advantage"] * self.distribution.log_prob(said, part["action"])
        error = worth - part["target"] if value else tf.zeros_like(policy)
        return {"policy_loss": policy, "value_loss": tf.square(error), "entropy": self.distribution.entropy(said)}

    def _act(self, observation: tf.Tensor, draw: Draw, memory: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        said = self.networks["policy"](observation if memory is None else [observation, memory], training=False)
        action = self.distribution.sample(said, draw)
        remembered = {} if memory is None else {"remembered": said["memory"]}
        return {"action": action, "taken": self.distribution.taken(action), "log_prob": self.distribution.log_prob(said, action), **remembered}


def normalised(advantage: tf.Tensor, weight: tf.Tensor | None = None) -> tf.Tensor:
    """Of mean 0 and deviation 1 over all replicas, `[b]`; of those of weight 1, where there are weights."""
    context = tf.distribute.get_replica_context()
    weight = tf.ones_like(advantage) if weight is None else weight
    sums = [tf.reduce_sum(weight), tf.reduce_sum(weight * advantage), tf.reduce_sum(weight * tf.square(advantage))]
    if context is not None and context.num_replicas_in_sync > 1:
        sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    mean, square = (tf.math.divide_no_nan(each, sums[0]) for each in sums[1:])
    return (advantage - mean) / (tf.sqrt(tf.maximum(square - tf.square(mean), 0.0)) + 1e-8)


def explained_variance(value: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """1 - Var(target - value) / Var(target), scalar: 1 for perfect values, 0 for none; of `[b]`."""
    return 1.0 - tf.math.divide_no_nan(tf.math.reduce_variance(target - value), tf.math.reduce_variance(target))


def _flat(values: tf.Tensor) -> tf.Tensor:
    """`[T, n, ...]` as `[T * n, ...]`."""
    return tf.reshape(values, [-1, *values.shape[2:]])
