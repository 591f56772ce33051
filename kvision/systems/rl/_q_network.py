"""Networks of action values, plain or duelling, noisy or not, of means or of whole distributions.

Shapes: A actions, Z atoms or quantiles (1: the mean alone), K normal numbers that the noise of all layers is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import keras
import tensorflow as tf

from kvision.systems.rl import _bodies, _network
from kvision.systems.rl._noisy import NoisyDense

if TYPE_CHECKING:
    from kvision.data.environments.spaces import Spaces
    from kvision.systems.rl.dqn import DQNOptions


class QNetwork:
    """One set of layers, asked in two ways: for the mean returns by who acts, for their distributions, and with noise, by who learns.

    Args:
        spaces: What is observed and done.
        options: How it is made.
        name: Of the network.
        normaliser: Of the observations; none: they are taken as they are.

    Attributes:
        means: `observation` to `q_values` float32 `[B, A]`, without noise.
        noise_width: K.
    """

    def __init__(self, spaces: Spaces, options: DQNOptions, name: str, normaliser: keras.layers.Layer | None = None) -> None:
        self._actions, self._count = spaces.actions[0], 1 if options.distribution == "none" else options.atoms
        self.mean = ReturnMean(options.distribution, options.least_return, options.greatest_return, dtype="float32", name="return_mean")
        seen = _bodies.observation(spaces)
        x = _network.features(spaces, options, seen, normaliser, name)
        sizes = {"advantage": self._actions * self._count, **({"value": self._count} if options.dueling else {})}
        make = NoisyDense if options.noisy else _plain
        self._heads = {role: make(size, name=role) for role, size in sizes.items()}
        self._widths = {role: x.shape[-1] + size for role, size in sizes.items()}
        self.noise_width = sum(self._widths.values())
        self.means = keras.Model(seen, {"q_values": self.mean(self._joined({role: head(x) for role, head in self._heads.items()}))}, name=name)
        noise = keras.Input([self.noise_width], name="noise") if options.noisy else None
        given = {"observation": seen} if noise is None else {"observation": seen, "noise": noise}
        self._whole = keras.Model(given, self._joined(self._said(x, noise)), name=f"{name}_whole")

    @property
    def atoms(self) -> tf.Tensor:
        """Of C51: the returns `[Z]` that probabilities belong to."""
        return self.mean.atoms(self._count)

    def distribution(self, observation: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Of each action's return: logits of the atoms, quantiles, or the mean alone, float32 `[B, A, Z]`.

        Args:
            observation: `[B, ...]`.
            noise: Of a noisy network, `[B, K]`, or `[1, K]` for the same noise on all examples; else none.

        Returns:
            `[B, A, Z]`.
        """
        return self._whole({"observation": observation} if noise is None else {"observation": observation, "noise": noise}, training=True)

    def values(self, observation: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Mean returns `[B, A]`, as `distribution`."""
        return self.mean(self.distribution(observation, noise))

    def _said(self, x: keras.KerasTensor, noise: keras.KerasTensor | None) -> dict[str, keras.KerasTensor]:
        """What the heads say of features `[B, D]`, each with its part of the noise."""
        if noise is None:
            return {role: head(x) for role, head in self._heads.items()}
        found, start = {}, 0
        for role, head in self._heads.items():
            found[role] = head(x, noise=noise[:, start : start + self._widths[role]])
            start += self._widths[role]
        return found

    def _joined(self, said: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
        """`[B, A, Z]` float32 of the heads: a duelling one has the state's value, and of the advantages their difference from their mean.

        References:
            Wang et al. 2016, arXiv 1511.06581, eq. 9.
        """
        advantage = keras.ops.cast(keras.ops.reshape(said["advantage"], [-1, self._actions, self._count]), "float32")
        if "value" not in said:
            return advantage
        value = keras.ops.cast(keras.ops.reshape(said["value"], [-1, 1, self._count]), "float32")
        return value + advantage - keras.ops.mean(advantage, axis=1, keepdims=True)


def _plain(size: int, name: str) -> keras.layers.Layer:
    return _bodies.dense(size, 1.0, name)


@keras.saving.register_keras_serializable("kvision")
class ReturnMean(keras.layers.Layer):
    """Mean returns `[..., A]` of distributions `[..., A, Z]`.

    Args:
        distribution: `none`: Z is 1, the mean itself; `qr`: quantiles; `c51`: logits of atoms.
        least: The lowest atom.
        greatest: The highest.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, distribution: Literal["none", "c51", "qr"], least: float, greatest: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distribution, self.least, self.greatest = distribution, least, greatest

    def atoms(self, count: int) -> tf.Tensor:
        """Float32 `[Z]`, evenly spaced."""
        return tf.linspace(float(self.least), float(self.greatest), count)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[..., A, Z]` to `[..., A]`."""
        if self.distribution == "none":
            return inputs[..., 0]
        if self.distribution == "qr":
            return tf.reduce_mean(inputs, axis=-1)
        return tf.reduce_sum(tf.nn.softmax(inputs) * self.atoms(inputs.shape[-1]), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Without the last axis."""
        return input_shape[:-1]

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "distribution": self.distribution, "least": self.least, "greatest": self.greatest}
