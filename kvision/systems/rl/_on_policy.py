"""What agents share that learn from a rollout with a policy and a value function, and then throw it away: REINFORCE, A2C and PPO."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kvision.systems.rl._part import Agent

if TYPE_CHECKING:
    import keras

    from kvision.engine.replica import AnyVariable
    from kvision.systems.rl._actor_critic import ActorCritic

ROLE = "agent"
"""Of the one optimizer."""


class OnPolicy(Agent):
    """A policy and a value function that are learnt together."""

    def build(self) -> dict[str, keras.Model]:
        """`policy` (the actions' distribution) and `value`."""
        return self._actor_critic.networks

    @functools.cached_property
    def _actor_critic(self) -> ActorCritic:
        from kvision.systems.rl._actor_critic import ActorCritic

        return ActorCritic(self)

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for both networks, whose gradients are clipped together."""
        return {ROLE: self._actor_critic.trainables}

    def carried(self) -> dict[str, AnyVariable]:
        """Where the lanes stand, and what rewards are normalised by."""
        return {**super().carried(), **self._actor_critic.variables}
