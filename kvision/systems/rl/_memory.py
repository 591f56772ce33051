"""What an agent remembers of its episode: a recurrent cell between the body of its networks and their heads.

Paper: Hausknecht and Stone 2015, Deep Recurrent Q-Learning for Partially Observable MDPs, arXiv 1507.06527; Huang et al. 2022, The 37 Implementation
Details of Proximal Policy Optimization, details of the LSTM 1 to 5.
Deviations: the forget gate's bias is 1 at first, as Keras has it, not 0; pictures and vectors alike have one body for policy and values.
Shapes: T steps, N lanes, D features, H units, M numbers that are remembered: output and memory of an LSTM, one behind the other; output of a GRU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision.layers import recurrence
from kvision.systems.rl import _bodies, _network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.environments.spaces import Spaces
    from kvision.systems.rl._on_policy import RecurrentOptions
    from kvision.systems.rl._policy import Distribution

CELLS = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}


@keras.saving.register_keras_serializable("kvision")
class Memory(keras.layers.Layer):
    """One step of a recurrent cell, all of whose state is one tensor.

    Args:
        kind: `lstm` or `gru`.
        units: H.
        **kwargs: Of every Keras layer.
    """

    def __init__(self, kind: str, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.units = kind, units
        self.cell = CELLS[kind](units, kernel_initializer=keras.initializers.Orthogonal(1.0), name="cell")

    def build(self, shapes: Any) -> None:
        """The cell's weights."""
        self.cell.build(shapes[0])

    def call(self, inputs: Any) -> Any:
        """What is remembered `[N, M]` after features `[N, D]`, by what was before `[N, M]`; the first H of it are the output."""
        features, memory = inputs
        states = keras.ops.split(memory, width(self.kind, self.units) // self.units, axis=-1)
        return keras.ops.concatenate(self.cell(features, list(states))[1], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """With `kind` and `units`."""
        return {**super().get_config(), "kind": self.kind, "units": self.units}


class Recurrent:
    """A body, a memory and two heads; `networks` are one step of them.

    Args:
        spaces: What the environment shows and takes.
        options: Of the network.
        distribution: Over the actions.
        normaliser: Of observations; none: they are taken as they are.

    Attributes:
        networks: `policy` and `value`, both of `[observation, memory]`; the policy gives `memory` as well, for the next step.
    """

    def __init__(self, spaces: Spaces, options: RecurrentOptions, distribution: Distribution, normaliser: keras.layers.Layer | None) -> None:
        self._units = options.recurrent_units
        seen, told = _bodies.observation(spaces), keras.Input([self._units], name="told")
        self._body = keras.Model(seen, _network.features(spaces, options, seen, normaliser, "body"), name="body")
        self._memory = Memory(options.recurrent, self._units, name="remember")
        self._policy = keras.Model(told, distribution.head(told), name="policy_head")
        self._value = keras.Model(told, _network.worth(told), name="value_head")
        before = keras.Input([width(options.recurrent, self._units)], name="memory")
        after = keras.layers.Activation("linear", dtype="float32", name="remembered")(self._memory([self._body(seen), before]))
        said = self._policy(after[:, : self._units])
        self.networks = {
            "policy": keras.Model([seen, before], {**said, "memory": after}, name="policy"),
            "value": keras.Model([seen, before], self._value(after[:, : self._units]), name="value"),
        }

    def said(self, steps: Mapping[str, tf.Tensor], length: int) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """What is said of whole sequences, step after step, as it is while they are played.

        Args:
            steps: `[T * N, ...]`, time first: `observation`, `begun` (1 for the first step of an episode) and `memory`, of which that of the first
                steps counts.
            length: T.

        Returns:
            The outputs of the policy's head `[T * N, ...]`, and values `[T * N]`.
        """
        features = self._body(steps["observation"], training=True)
        given = {"features": features, "begun": steps["begun"]}
        given = {name: tf.reshape(each, [length, -1, *each.shape[1:]]) for name, each in given.items()}
        memory = tf.reshape(steps["memory"], [length, -1, steps["memory"].shape[-1]])[0]

        def step(states: dict[str, tf.Tensor], now: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
            after = tf.cast(self._memory([now["features"], states["memory"] * (1.0 - now["begun"][:, None])]), tf.float32)
            return {"memory": after}, {"told": after[:, : self._units]}

        told = recurrence.loop(step, {"memory": memory}, given, {"told": memory[:, : self._units]})["told"]
        told = tf.reshape(told, [-1, self._units])
        return self._policy(told, training=True), self._value(told, training=True)["value"]


def width(kind: str, units: int) -> int:
    """M: an LSTM remembers its output and its memory."""
    return 2 * units if kind == "lstm" else units
