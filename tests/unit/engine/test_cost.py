from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import cost
from kvision.layers.attention import SelfAttention


def test_every_product_is_counted_once_and_nothing_else() -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", groups=2)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = keras.layers.Conv2DTranspose(5, 2, strides=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    net = keras.Model(image, keras.layers.Dense(10)(x))
    expected = 8 * 8 * 4 * 9 * 3 + 4 * 4 * 8 * 9 * 2 + 4 * 4 * 16 * 9 + 4 * 4 * 16 * 4 * 5 + 5 * 10
    assert cost.multiply_adds(net) == expected


@pytest.mark.parametrize(
    "layer", [SelfAttention(4), keras.layers.MultiHeadAttention(4, 8)], ids=["ours, by products of matrices", "Keras', by einsum"]
)
def test_attention_multiplies_its_tokens_with_each_other(layer: keras.Layer) -> None:
    tokens, channels = 17, 32
    entry = keras.Input((tokens, channels))
    net = keras.Model(entry, layer(entry) if isinstance(layer, SelfAttention) else layer(entry, entry))
    assert cost.multiply_adds(net) == 4 * tokens * channels**2 + 2 * tokens**2 * channels


def test_volumes_and_two_entries() -> None:
    volume, other = keras.Input((4, 6, 6, 2)), keras.Input((7,))
    small = keras.layers.Conv3D(3, 2)(volume)
    large = keras.layers.Conv3DTranspose(4, 2)(small)
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(large), keras.layers.Dense(5)(other)])
    net = keras.Model([volume, other], joined)
    assert cost.multiply_adds(net) == 3 * 5 * 5 * 3 * 8 * 2 + 3 * 5 * 5 * 3 * 8 * 4 + 7 * 5


@pytest.mark.parametrize(
    ("made", "published"),
    # Sandler 2018, table 4: 300 M; He 2016, table 1: 3.8 G, with the strides in the 1x1 convolutions.
    [(keras.applications.MobileNetV2, 300e6), (keras.applications.ResNet50, 3.8e9)],
)
def test_published_networks(made, published: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the weights are does not matter, and random numbers cost time.
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", lambda self, shape, dtype=None: tf.zeros(shape, dtype or "float32"))
    assert cost.multiply_adds(made(weights=None)) == pytest.approx(published, rel=0.02)


def test_a_function_in_the_graph_is_opened_for_each_call() -> None:
    @tf.function(jit_compile=True)
    def product(x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, np.ones([6, 5], np.float32))

    assert cost.of_call(lambda x: product(x) + product(2 * x), keras.KerasTensor((None, 6))) == 2 * 6 * 5


def test_what_is_not_known_before_it_runs_is_said() -> None:
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match=r"works on .*None.*give a network whose sizes are all known"):
        cost.multiply_adds(keras.Model(image, keras.layers.Conv2D(2, 3)(image)))
    with pytest.raises(ValueError, match="how often a loop runs is not known"):
        cost.of_call(lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) < 9.0, lambda y: (tf.matmul(y, y),), [x])[0], keras.KerasTensor((1, 1)))
    with pytest.raises(ValueError, match="which branch runs is not known"):
        cost.of_call(lambda x: tf.cond(tf.reduce_sum(x) < 9.0, lambda: tf.matmul(x, x), lambda: x), keras.KerasTensor((1, 1)))
