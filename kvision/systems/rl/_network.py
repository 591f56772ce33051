"""Networks of agents by their options: a body that looks, and heads that say what to do and what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kvision.core.errors import UsageError
from kvision.systems.rl import _bodies

if TYPE_CHECKING:
    from kvision.data.environments.spaces import Spaces
    from kvision.systems.rl._part import NetworkOptions
    from kvision.systems.rl._policy import Distribution


def body_of(spaces: Spaces, options: NetworkOptions) -> str:
    """The body that `auto` stands for, or the one that is asked for."""
    if options.body != "auto":
        return options.body
    return "nature" if spaces.pictures else "mlp"


def features(spaces: Spaces, options: NetworkOptions, seen: keras.KerasTensor, normaliser: keras.layers.Layer | None, name: str) -> keras.KerasTensor:
    """What a body of its own makes of raw observations, `[B, D]`; raises `UsageError` if the body does not normalise and shall."""
    kind = body_of(spaces, options)
    if kind == "mlp":
        return _bodies.mlp(_bodies.vector(spaces, seen, normaliser), options.hidden, options.activation, name)
    if normaliser is not None:
        raise UsageError(f"model.normalise_observation: the body {kind} divides pictures by 255 itself; leave the option out, or use model.body=mlp")
    return getattr(_bodies, kind)(spaces, seen, name)


def actor_critic(
    spaces: Spaces, options: NetworkOptions, distribution: Distribution, normaliser: keras.layers.Layer | None
) -> dict[str, keras.Model]:
    """The networks `policy` and `value`: each with a body of its own for vectors, with one between them for pictures.

    References:
        Huang et al. 2022, The 37 Implementation Details of Proximal Policy Optimization, details 2, 13 and, of Atari, 8.
    """
    seen = _bodies.observation(spaces)
    x = features(spaces, options, seen, normaliser, "policy")
    policy = keras.Model(seen, distribution.head(x), name="policy")
    if body_of(spaces, options) == "mlp":
        x = features(spaces, options, seen, normaliser, "value")
    return {"policy": policy, "value": keras.Model(seen, worth(x), name="value")}


def worth(x: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """`value` float32 `[B]`, of features `[B, D]`."""
    scalar = keras.layers.Activation("linear", dtype="float32", name="value_float")(_bodies.dense(1, 1.0, "value")(x))
    return {"value": keras.layers.Reshape([], dtype="float32", name="value_scalar")(scalar)}
