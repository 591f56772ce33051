"""Small networks to convert."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kvision.layers.normalization import BatchNormalization
from kvision_export.tflite.calibration import Calibration


@dataclass(frozen=True)
class Nets:
    """What has networks to export."""

    by_signature: dict[str, keras.Model]

    def networks(self) -> dict[str, keras.Model]:
        return self.by_signature


def calibration(**inputs: dict[str, np.ndarray]) -> Calibration:
    return Calibration(names=(), indices=(), inputs=inputs, seed=0, classes={}, shared=(), sha256="")


def encoder_and_step() -> Nets:
    """Two networks as a captioner has them: an encoder, and a step with a state, which share a dense layer of 256 x 256."""
    keras.utils.set_random_seed(1)
    shared = keras.layers.Dense(256, activation="relu", name="shared")
    image = keras.Input((8, 8, 3), name="image")
    x = BatchNormalization(name="norm")(keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(image))
    x = shared(keras.layers.Dense(256, activation="relu")(keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))))
    encoder = keras.Model(image, {"features": x, "state": keras.layers.Dense(32, activation="tanh")(x)})
    features, state, token = keras.Input((256,), name="features"), keras.Input((32,), name="state"), keras.Input((16,), name="token")
    following = keras.layers.Dense(32, activation="tanh")(keras.layers.Concatenate()([shared(features), state, token]))
    step = keras.Model([features, state, token], {"logits": keras.layers.Dense(16)(following), "state": following})
    return Nets({"encode": encoder, "step": step})


def calls_of(nets: Nets, count: int = 20) -> dict[str, dict[str, np.ndarray]]:
    """Inputs of `encoder_and_step`."""
    generator = np.random.default_rng(0)
    image = generator.standard_normal((count, 8, 8, 3)).astype(np.float32)
    encoded = {name: value.numpy() for name, value in nets.by_signature["encode"](image).items()}
    token = np.eye(16, dtype=np.float32)[generator.integers(0, 16, count)]
    return {"encode": {"image": image}, "step": {**encoded, "token": token}}


@keras.saving.register_keras_serializable("tests")
class Inverse(keras.layers.Layer):
    """Has an op that LiteRT has with the Flex delegate only."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.linalg.inv(inputs)


@keras.saving.register_keras_serializable("tests")
class FloorModulo(keras.layers.Layer):
    """Has an op that LiteRT has in float only."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.math.floormod(inputs, 0.7)


def single(layer: keras.layers.Layer, shape: tuple[int, ...]) -> Nets:
    """One layer as the network `predict`: `x` to `y`."""
    x = keras.Input(shape, name="x")
    return Nets({"predict": keras.Model(x, {"y": layer(x)})})


def difference(nets: Nets, signature: str, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> float:
    """Largest difference between outputs and those of the Keras network for one example, as a share of their range."""
    net = nets.by_signature[signature]
    given = [inputs[each.name][:1] for each in net.inputs]
    expected = net(given if len(given) > 1 else given[0])
    return max(float(np.abs(outputs[name] - value).max() / np.ptp(value)) for name, value in expected.items())
