"""Two networks in one that both tell what actions are worth: the lower of two estimates overrates less than either.

Paper: Fujimoto et al. 2018, arXiv 1802.09477, section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kvision.systems.rl import _bodies, _network

if TYPE_CHECKING:
    from kvision.data.environments.spaces import Spaces
    from kvision.systems.rl._part import NetworkOptions


def twins(spaces: Spaces, options: NetworkOptions, normaliser: keras.layers.Layer | None, name: str) -> keras.Model:
    """Both in one model.

    Args:
        spaces: What is observed and done.
        options: Of their bodies, of which each has its own.
        normaliser: Of the observations.
        name: Of the model.

    Returns:
        Of discrete actions: `observation` to float32 `[B, 2, A]`. Of continuous ones: `observation` and `action` `[B, D]`, in -1..1, to `[B, 2]`.
    """
    seen = _bodies.observation(spaces)
    given = seen if spaces.discrete else {"observation": seen, "action": keras.Input(spaces.action_shape, name="action")}
    # A model each, so that layers that need no name of their own may have the same in both.
    found = [keras.Model(given, _one(spaces, options, normaliser, given, f"{name}_{number}"), name=f"{name}_{number}")(given) for number in (1, 2)]
    return keras.Model(given, keras.ops.stack(found, axis=1), name=name)


def _one(spaces: Spaces, options: NetworkOptions, normaliser: keras.layers.Layer | None, given: Any, name: str) -> keras.KerasTensor:
    """One estimate: `[B, A]`, or `[B]` of the action that is given."""
    if spaces.discrete:
        x = _network.features(spaces, options, given, normaliser, name)
        return _float(_bodies.dense(spaces.actions[0], 1.0, f"{name}_values")(x))
    if _network.body_of(spaces, options) == "mlp":
        x = _bodies.vector(spaces, given["observation"], normaliser)
    else:
        x = _network.features(spaces, options, given["observation"], normaliser, name)
    x = keras.ops.concatenate([x, keras.ops.cast(given["action"], x.dtype)], axis=-1)
    x = _bodies.mlp(x, options.hidden, options.activation, f"{name}_dense")
    return keras.ops.squeeze(_float(_bodies.dense(1, 1.0, f"{name}_values")(x)), axis=-1)


def _float(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.Activation("linear", dtype="float32", name="float")(x)
