"""What agents with a table share: the table as a network, how it is moved towards targets, exact figures where the dynamics are known, and pictures.

Letters: S states, A actions, N lanes, T steps of a rollout. The learning rate is the alpha of the textbooks: plain descent on half the squared error
moves a value by alpha times the error.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.systems.rl import _exploration
from kvision.systems.rl._exploration import ExplorationOptions
from kvision.systems.rl._part import Agent, AgentOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.core.schema import Recipe
    from kvision.data.environments.dynamics import Dynamics
    from kvision.engine.optim import Update
    from kvision.engine.system import Batch, Prediction
    from kvision.systems.rl._collector import Draw

TABLE = "table"
"""Role of the network, and name of its layer."""
VALUES = "q_values"
KNOWN = ("exact_return", "residual")
"""Metrics of the table itself."""
LARGEST = 20_000_000
"""Transitions `S * A * S`; of an environment with more the model is not looked at."""


class TableOptions(AgentOptions):
    """What a table begins with, and how far it looks ahead."""

    initial: float = Field(0.0, description="Value of every action at first; above what can be had, it makes an agent try all of them (optimism).")


class ExploringOptions(TableOptions):
    """A table that is learnt by trial."""

    exploration: ExplorationOptions = Field(default_factory=ExplorationOptions, description="How often an action is random.")


class Tabular(Agent):
    """A table `[S, A]` of what each action is worth in each state; the policy takes the best one, of equal ones the first."""

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also optimizers that are not plain descent, whose rate is alpha."""
        optim, found = recipe.optim, super().check(recipe)
        if optim.name != "sgd":
            found.append(("optim.name", f"{optim.name} does not move a table by its learning rate, alpha; use sgd"))
        elif optim.momentum != 0.0:
            found.append(("optim.momentum", f"{optim.momentum} (none: 0.9) would move a table by more than its learning rate, alpha; use 0"))
        return found

    def build(self) -> dict[str, keras.Model]:
        """The table: `observation` int32 `[B]` to `q_values` `[B, A]`."""
        import keras

        from kvision.systems.rl import _bodies

        options: TableOptions = self.recipe.model  # type: ignore[assignment]
        states, actions = self.sizes
        observation = _bodies.observation(self.spaces)
        table = keras.layers.Embedding(states, actions, keras.initializers.Constant(options.initial), dtype="float32", name=TABLE)
        return {TABLE: keras.Model(observation, {VALUES: table(observation)}, name=TABLE)}

    @functools.cached_property
    def sizes(self) -> tuple[int, int]:
        """S and A; raises `UsageError` where there are no such numbers."""
        spaces = self.spaces
        if spaces.num_states is None or len(spaces.actions) != 1:
            raise UsageError(
                f"system: {self.recipe.system} has a table of numbered states and actions, and {self.maker.name} has {spaces}; use rl/dqn or rl/ppo"
            )
        return spaces.num_states, spaces.actions[0]

    @functools.cached_property
    def dynamics(self) -> Dynamics | None:
        """The exact model of the environment; none: it is not known, or too large to be looked at as a whole."""
        states, actions = self.sizes
        return self.maker.dynamics() if states * actions * states <= LARGEST else None

    @functools.cached_property
    def model(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Its expected rewards `[S, A]` and continuing transitions `[S, A, S]`, float64; raises `UsageError` where they are not known."""
        from kvision.data import host

        if self.dynamics is None:
            raise UsageError(
                f"system: {self.recipe.system} plans with transition probabilities, which {self.maker.name} does not tell, or more than "
                f"{LARGEST} of them; use it for grid_world, FrozenLake-v1, CliffWalking-v1 or Taxi-v4, or use rl/q_learning, which learns by trial"
            )
        return host.tensor(self.dynamics.expected), host.tensor(self.dynamics.continuing)

    def q_values(self, observation: tf.Tensor) -> tf.Tensor:
        """What each action is worth, `[..., A]`, in states int32 `[...]`."""
        import tensorflow as tf

        values = self.net(tf.reshape(observation, [-1]), training=False)[VALUES]
        return tf.reshape(values, [*observation.shape, self.sizes[1]])

    def whole(self) -> tf.Tensor:
        """The whole table `[S, A]`."""
        import tensorflow as tf

        return self.q_values(tf.range(self.sizes[0]))

    def act(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The best actions int32 `[B]`."""
        import tensorflow as tf

        return tf.argmax(said[VALUES], -1, tf.int32)

    def epsilon(self) -> tf.Tensor:
        """The share of random actions in the rollout to come, float32."""
        import tensorflow as tf

        options: ExploringOptions = self.recipe.model  # type: ignore[assignment]
        return _exploration.epsilon(tf.identity(self.collector.steps), options.exploration, _exploration.run_steps(self.recipe))

    def roll(self, epsilon: tf.Tensor) -> dict[str, tf.Tensor]:
        """Plays on with the table's policy and this share of random actions.

        Args:
            epsilon: Scalar.

        Returns:
            `[N, T]` of all lanes of all replicas: `observation` (s_tm1), `action`, `reward`, `discount` (gamma, 0 where the episode ended),
            `truncated` and `final_observation` (s_t).
        """
        import tensorflow as tf

        from kvision.engine import rows

        options: ExploringOptions = self.recipe.model  # type: ignore[assignment]

        def act(observation: tf.Tensor, draw: Draw) -> dict[str, tf.Tensor]:
            return {"action": _exploration.epsilon_greedy(self.q_values(observation), epsilon, draw.uniform([2]))}

        played = self.collector.rollout(act, self.rollout_length)
        played["discount"] = options.gamma * (1.0 - tf.cast(played.pop("terminated"), tf.float32))
        return {name: rows.everyones(tf.transpose(values)) for name, values in played.items()}

    def learn(self, updates: Mapping[str, Update], met: Mapping[str, tf.Tensor], target: tf.Tensor) -> tf.Tensor:
        """Moves values towards targets by the learning rate, and those that several transitions tell of towards the mean of their targets.

        Args:
            updates: Of the step.
            met: `observation` and `action` int32 of any one shape, the same on all replicas; `weight` float32, 0 for what does not count, if it
                is there.
            target: What each action was found to be worth, float32 of this shape.

        Returns:
            This replica's part of the mean of half the squared errors before the move, each value counted once.
        """
        import tensorflow as tf

        from kvision.engine import rows

        states, actions = self.sizes
        state, action, aim = (tf.reshape(each, [-1]) for each in (met["observation"], met["action"], tf.stop_gradient(target)))
        weight = tf.reshape(met["weight"], [-1]) if "weight" in met else tf.ones_like(aim)
        place = state * actions + action
        weight = tf.math.divide_no_nan(weight, tf.gather(tf.math.unsorted_segment_sum(weight, place, states * actions), place))

        def loss(part: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return 0.5 * tf.square(part["target"] - tf.gather(self.q_values(part["state"]), part["action"], batch_dims=1))

        moves = {"state": state, "action": action, "target": aim, "weight": weight}
        return updates[TABLE].minimize(loss, moves, of=rows.place()[1]) / tf.maximum(tf.reduce_sum(weight), 1.0)

    def plan(self, updates: Mapping[str, Update], backup: Callable[..., tf.Tensor]) -> dict[str, tf.Tensor]:
        """Moves the whole table towards what it says a step ahead, by the dynamics.

        Args:
            updates: Of the step.
            backup: From the table, expected rewards `[S, A]` and continuing transitions `[S, A, S]`, float64, to the new table.

        Returns:
            This replica's part of `loss` and of `residual`, the largest change that was asked for.
        """
        import tensorflow as tf

        from kvision.engine import rows

        states, actions = self.sizes
        state, action = tf.meshgrid(tf.range(states), tf.range(actions), indexing="ij")
        before = self.whole()
        target = tf.cast(backup(tf.cast(before, tf.float64), *self.model), tf.float32)
        residual = tf.reduce_max(tf.abs(target - before)) / rows.place()[1]
        return {"loss": self.learn(updates, {"observation": state, "action": action}, target), "residual": residual}

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """And what is known of the table without playing, for each episode the same."""
        import tensorflow as tf

        sums, told = super().eval_step(batch)
        weight = tf.cast(sums["weight"], tf.float64)
        return {**sums, **{name: weight * value for name, value in self.known().items()}}, told

    def known(self) -> dict[str, tf.Tensor]:
        """`exact_return` where the dynamics are known: the policy's mean return, by probabilities and not by playing; float64."""
        import tensorflow as tf

        from kvision.data import host
        from kvision.ops import planning
        from kvision.systems.rl import _play

        if self.dynamics is None:
            return {}
        policy, steps = planning.greedy(tf.cast(self.whole(), tf.float64)), self.dynamics.max_steps or _play.LONGEST
        return {"exact_return": planning.expected_return(policy, host.tensor(self.dynamics.start), *self.model, steps)}

    def residual(self) -> tf.Tensor:
        """How far the table is from Bellman's optimality equation, at most, float64 scalar; 0: nothing can be better."""
        import tensorflow as tf

        from kvision.ops import planning

        options: TableOptions = self.recipe.model  # type: ignore[assignment]
        table = tf.cast(self.whole(), tf.float64)
        return tf.reduce_max(tf.abs(planning.backup(tf.reduce_max(table, 1), *self.model, options.gamma) - table))

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """And what is known without playing."""
        return {**super().metrics(sums), **{name: float(sums[name] / sums["weight"]) for name in KNOWN if name in sums}}

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """Values and policy, on the environment's map if it has one, and where the agent stands."""
        return self._drawn(int(image))

    def play(self, seed: int) -> Prediction:
        """Plays an episode for people, with values and policy below its pictures."""
        from kvision.systems.rl import _map

        made, below = super().play(seed), self._drawn(None)
        return replace(made, pictures={name: _map.stacked(picture, below) for name, picture in made.pictures.items()})

    def _drawn(self, state: int | None) -> Image.Image:
        """Values and policy, and where the agent stands, if anywhere."""
        from kvision.systems.rl import _map

        values, model, known = self.whole().numpy(), self.dynamics, self.known()
        title = ", ".join([self.maker.name, *(f"{name.replace('_', ' ')} {float(value):.4g}" for name, value in known.items())])
        if model is None or model.grid is None:
            return _map.as_table(values, state, title)
        return _map.on_grid(values, model, state, title)
