"""Deep Q-networks: learns what each action is worth from a replay buffer, with the six improvements that were made of it as options.

Paper: Mnih et al. 2015, doi 10.1038/nature14236; double: van Hasselt et al. 2016, arXiv 1509.06461; duelling: Wang et al. 2016, arXiv 1511.06581;
prioritised: Schaul et al. 2016, arXiv 1511.05952; noisy: Fortunato et al. 2018, arXiv 1706.10295; C51: Bellemare et al. 2017, arXiv 1707.06887; QR:
Dabney et al. 2018, arXiv 1710.10044; all together: Hessel et al. 2018, arXiv 1710.02298.
Deviations: Adam in place of RMSprop; the target network is copied between engine steps, not within one; duelling streams part after the last hidden
layer, and noisy layers are those of the streams; the errors that set priorities with C51 and QR are their losses.
Shapes: `observation` `[B, ...]`, `q_values` `[B, A]`; Z atoms or quantiles, 1 without a distribution; G minibatches of M transitions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.core.schema import Count, Positive, Probability, Section
from kvision.systems.rl import _off_policy
from kvision.systems.rl._exploration import ExplorationOptions
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
    from kvision.systems.rl._replay import Transitions

_NOISE = 240
"""Stream of the noise of noisy layers."""


class DQNOptions(OffPolicyOptions):
    """Which of the improvements are on, how it explores, and how the target network follows."""

    double: bool = Field(True, description="The network chooses the next action, the target network says what it is worth (van Hasselt 2016).")
    dueling: bool = Field(False, description="Values of states and advantages of actions are learnt apart (Wang 2016).")
    noisy: bool = Field(False, description="Explore by noise in the weights, which is learnt (Fortunato 2018); no action is random then.")
    distribution: Literal["none", "c51", "qr"] = Field(
        "none", description="Learn the mean of the returns, or their distribution: over fixed atoms (Bellemare 2017) or as quantiles (Dabney 2018)."
    )
    atoms: int = Field(51, ge=2, le=1000, description="Of c51: atoms; of qr: quantiles.")
    least_return: float = Field(0.0, description="Of c51: the lowest atom.")
    greatest_return: float = Field(100.0, description="Of c51: the highest atom; discounted returns should not lie beyond.")
    exploration: ExplorationOptions = Field(default_factory=ExplorationOptions, description="Share of random actions.")
    target_every: Count = Field(1000, description="Updates between two copies into the target network; at most one an engine step.")
    tau: Probability = Field(1.0, description="How far the target network goes towards the network: 1: all the way.")


class DQNLoss(Section):
    """How errors count."""

    huber: Positive = Field(1.0, description="Errors beyond it count by their size, not their square.")


class DQN(OffPolicy):
    """Values of discrete actions; acts on the best one."""

    Options = DQNOptions
    Loss = DQNLoss
    compiles = True
    reports: ClassVar[tuple[str, ...]] = ("return", "q", "epsilon")
    exempt: ClassVar[Mapping[str, str]] = {
        "overfits": "an agent's examples are the states that it comes to, so there is no batch to learn by heart",
    }

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also a buffer that is too small, and atoms without a range."""
        options: DQNOptions = recipe.model  # type: ignore[assignment]
        found = [*super().check(recipe), *_off_policy.faults(recipe)]
        if options.least_return >= options.greatest_return:
            fault = f"{options.greatest_return} is not above model.least_return={options.least_return}; use the bounds of the discounted returns"
            found.append(("model.greatest_return", fault))
        return found

    def build(self) -> dict[str, keras.Model]:
        """`policy` and `target`: `observation` to `q_values` `[B, A]`; training asks the same layers for distributions, and with noise."""
        from kvision.systems.rl._normalisation import RunningNormalization
        from kvision.systems.rl._q_network import QNetwork

        if len(self.spaces.actions) != 1:
            raise UsageError(
                f"system: rl/dqn chooses one of several actions, and {self.maker.name} has {self.spaces}; "
                f"use {'rl/ppo' if self.spaces.discrete else 'rl/sac, rl/td3 or rl/ppo'} for it"
            )
        self._normaliser = RunningNormalization(name="normalise") if self._options.normalise_observation else None
        self._policy, self._target = (QNetwork(self.spaces, self._options, name, self._normaliser) for name in ("policy", "target"))
        self._target.means.set_weights(self._policy.means.get_weights())
        return {"policy": self._policy.means, "target": self._target.means}

    @property
    def _options(self) -> DQNOptions:
        return self.recipe.model  # type: ignore[return-value]

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """Those of the policy."""
        return {"policy": self.networks["policy"].trainable_variables}

    def act(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The best action int32 `[B]`."""
        import tensorflow as tf

        return tf.argmax(said["q_values"], -1, tf.int32)

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays, and learns from what was played at any time."""
        from kvision.engine import rows

        del batch
        share, replicas = self._epsilon(), rows.place()[1]
        self.experience.play(self._normaliser)
        self._follow()
        batches = self.experience.draw()
        batches |= {"target_t": self._of_target(batches["s_t"]), **self._noise()}
        found = self.experience.learn(batches, ("loss", "q"), functools.partial(self._update, updates["policy"]))
        return {**found, "epsilon": share / replicas, **self.told()}

    def _epsilon(self) -> tf.Tensor:
        """Share of random actions."""
        import tensorflow as tf

        from kvision.systems.rl import _exploration

        if self._options.noisy:
            return tf.zeros([])
        return _exploration.epsilon(tf.identity(self.collector.steps), self._options.exploration, _exploration.run_steps(self.recipe))

    def explore(self, observation: tf.Tensor, draw: Draw) -> dict[str, tf.Tensor]:
        """The best action, with noisy layers or with some that are random."""
        from kvision.systems.rl import _exploration

        noise = draw.normal([self._policy.noise_width]) if self._options.noisy else None
        return {"action": _exploration.epsilon_greedy(self._policy.values(observation, noise), self._epsilon(), draw.uniform([2]))}

    def _follow(self) -> None:
        """Copies into the target network, if enough updates were made since the last time."""
        import tensorflow as tf

        made, every = tf.identity(self.experience.made), self._options.target_every
        due = made // every > (made - self._options.gradient_steps) // every

        def copy() -> tf.Tensor:
            _off_policy.follow(self.networks["target"], self.networks["policy"], self._options.tau)
            return due

        tf.cond(due & (made > 0), copy, lambda: due)

    def _of_target(self, s_t: tf.Tensor) -> tf.Tensor:
        """What the target network says of the states `[G, m, ...]` of all minibatches at once, for it stands still: `[G, m, A, Z]`."""
        import tensorflow as tf

        flat = tf.reshape(s_t, [-1, *s_t.shape[2:]])
        noise = self.experience.noise([1, self._policy.noise_width], _NOISE) if self._options.noisy else None
        said = self._target.distribution(flat, noise)
        return tf.reshape(said, [*s_t.shape[:2], *said.shape[1:]])

    def _noise(self) -> Transitions:
        """Noise of each minibatch, for its states and, apart, for the choice of its next actions: `[G, 1, K]`; the same on all replicas."""
        shape = [self._options.gradient_steps, 1, self._policy.noise_width]
        if not self._options.noisy:
            return {}
        return {name: self.experience.noise(shape, _NOISE + 1 + number) for number, name in enumerate(("noise_tm1", "noise_t"))}

    def _update(self, update: Update, minibatch: Transitions) -> Found:
        """One update."""
        import tensorflow as tf

        size, said = self._options.minibatch, {}

        def losses(part: Batch) -> tf.Tensor:
            z_tm1 = tf.gather(self._policy.distribution(part["s_tm1"], part.get("noise_tm1")), part["a_tm1"], batch_dims=1)
            said["q"] = tf.reduce_sum(self._policy.mean(z_tm1)) / size
            loss, said["error"] = self.compared(z_tm1, part["target"])
            return loss

        loss = update.minimize(losses, {**minibatch, "target": self.target(minibatch)}, of=size)
        return {"loss": loss, "q": said["q"]}, said["error"]

    def target(self, minibatch: Transitions) -> tf.Tensor:
        """What the chosen actions' distributions should be.

        Args:
            minibatch: With `target_t` `[m, A, Z]`, what the target network says of `s_t`.

        Returns:
            `[m, Z]`: returns, or probabilities of the atoms.
        """
        import tensorflow as tf

        from kvision.losses import values

        z_t = minibatch["target_t"]
        chooser = self._policy.values(minibatch["s_t"], minibatch.get("noise_t")) if self._options.double else self._policy.mean(z_t)
        z_t = tf.gather(z_t, tf.argmax(chooser, -1, tf.int32), batch_dims=1)
        r_t, discount_t = minibatch["r_t"][:, None], minibatch["discount_t"][:, None]
        if self._options.distribution == "c51":
            return tf.stop_gradient(values.project(tf.nn.softmax(z_t), r_t + discount_t * self._policy.atoms, self._policy.atoms))
        return tf.stop_gradient(r_t + discount_t * z_t)

    def compared(self, z_tm1: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Losses `[m]`, and errors `[m]` that priorities go by, of what the network says and what it should, `[m, Z]` each."""
        from kvision.losses import values

        delta = self.recipe.loss.huber  # type: ignore[attr-defined]
        if self._options.distribution == "none":
            error = (target - z_tm1)[:, 0]
            return values.huber(error, delta), error
        loss = values.categorical(z_tm1, target) if self._options.distribution == "c51" else values.quantile(z_tm1, target, delta)
        return loss, loss
