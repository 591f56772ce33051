"""Behaviour cloning: a policy that is taught, step by step, to do what was done in recorded episodes.

Paper: Pomerleau 1989, ALVINN: An Autonomous Land Vehicle in a Neural Network, NIPS 1; Pomerleau 1991, Neural Computation 3(1), pages 88-97.
Deviations: any observations and actions, taught by maximum likelihood; nothing is shifted or rotated to teach how to come back from mistakes.
Shapes: `observation` `[B, ...]` and `action` `[B]`, or `[B, D]` of several or of continuous ones; A actions.

It learns from data alone and plays only to be evaluated. What it has not seen it was not taught: a small mistake leads to states that no teacher
visited, and there to more of them, so an episode's expected loss grows with the square of its length (Ross and Bagnell 2010).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, ClassVar

from kvision.systems.rl._part import Agent, NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import Batch
    from kvision.systems.rl._normalisation import RunningNormalization
    from kvision.systems.rl._policy import Distribution

UNUSED = ("gamma", "reward")
"""Options of agents that learn from rewards."""


class BehaviourCloningOptions(NetworkOptions):
    """The network."""


class BehaviourCloning(Agent):
    """Maximum likelihood of the recorded actions."""

    Options = BehaviourCloningOptions
    fields: ClassVar[frozenset[str]] = frozenset({"seed", "observation", "action"})
    reports: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """A source without an environment, and options of rewards; batches are of recorded steps, which need no lanes."""
        found = [fault for fault in super().check(recipe) if fault[0] == "data.source"]
        given = [name for name in UNUSED if getattr(recipe.model, name) != NetworkOptions.model_fields[name].default]
        told = "nothing is learnt from rewards here; leave it out, or imitate by rl/gail"
        return found + [(f"model.{name}", f"got {getattr(recipe.model, name)}; {told}") for name in given]

    def build(self) -> dict[str, keras.Model]:
        """`policy`: from `observation` to the distribution of the actions."""
        import keras

        from kvision.systems.rl import _bodies, _network

        options: BehaviourCloningOptions = self.recipe.model  # type: ignore[assignment]
        seen = _bodies.observation(self.spaces)
        x = _network.features(self.spaces, options, seen, self._normaliser, "policy")
        return {"policy": keras.Model(seen, self._distribution.head(x), name="policy")}

    def carried(self) -> dict[str, AnyVariable]:
        """Nothing: no environment is played in training."""
        return {}

    def expected_initial_loss(self) -> float | None:
        """As of equally likely actions."""
        return sum(math.log(size) for size in self.spaces.actions) if self.spaces.discrete else None

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """One update on recorded steps."""
        if self._normaliser is not None:
            self._normaliser.see(batch["observation"])

        def losses(part: Batch) -> tf.Tensor:
            return -self._distribution.log_prob(self.net(part["observation"], training=True), part["action"])

        return {"loss": updates["policy"].minimize(losses, batch)}

    @functools.cached_property
    def _distribution(self) -> Distribution:
        from kvision.systems.rl import _policy

        return _policy.choose(self.spaces)

    @functools.cached_property
    def _normaliser(self) -> RunningNormalization | None:
        from kvision.systems.rl._normalisation import RunningNormalization

        return RunningNormalization(name="normalise") if self.recipe.model.normalise_observation else None  # type: ignore[attr-defined]
