"""Fused batch normalisation, on one replica and on two, and layer normalisation: equal to Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import strategy
from kvision.layers.normalization import BatchNormalization, LayerNormalization, per_replica


def pair(channels: int, **options: float) -> tuple[BatchNormalization, keras.layers.BatchNormalization]:
    """Ours and Keras' layer with the same, uneven weights."""
    ours, theirs = BatchNormalization(**options), keras.layers.BatchNormalization(**{"momentum": 0.9, **options})
    values = [np.linspace(start, start + 1.5, channels, dtype=np.float32) for start in (0.5, -1.0, -0.3, 0.2)]
    for layer in (ours, theirs):
        layer.build((None, 5, 6, channels))
        layer.set_weights(values)
    return ours, theirs


def step(layer: keras.layers.Layer, x: tf.Tensor, upstream: tf.Tensor, training: bool) -> list[np.ndarray]:
    """Outputs and the gradients of input, scale and offset."""

    @tf.function
    def graph() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        return [y, *tape.gradient(y, [x, layer.gamma.value, layer.beta.value], output_gradients=tf.cast(upstream, y.dtype))]

    return [value.numpy() for value in graph()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 5, 6, 4), (7, 4), (3, 5, 4)])
def test_outputs_gradients_and_statistics_equal_keras(shape: tuple[int, ...], training: bool) -> None:
    x = tf.random.normal(shape, mean=2.0, stddev=3.0)
    upstream = tf.random.normal(shape)
    ours = BatchNormalization()
    theirs = keras.layers.BatchNormalization(momentum=0.9)
    for layer in (ours, theirs):
        layer.build((None, *shape[1:]))
    for mine, reference in zip(step(ours, x, upstream, training), step(theirs, x, upstream, training), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-4, atol=1e-5)
    for mine, reference in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-5, atol=1e-6)


def test_the_moving_statistics_are_worked_out_by_hand() -> None:
    layer = BatchNormalization(momentum=0.75)
    layer.build((None, 1, 2, 1))
    layer(tf.constant([1.0, 2.0, 3.0, 6.0], shape=[2, 1, 2, 1]), training=True)
    assert layer.moving_mean.numpy() == pytest.approx([0.25 * 3.0])
    assert layer.moving_variance.numpy() == pytest.approx([0.75 + 0.25 * 3.5])  # (4 + 1 + 0 + 9) / 4, not / 3


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_statistics_stay_float32_in_mixed_precision(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    ours, theirs = pair(4)
    x = tf.cast(tf.random.normal((8, 5, 6, 4), mean=100.0), ours.compute_dtype)
    mine, reference = ours(x, training=True), theirs(x, training=True)
    assert mine.dtype == ours.compute_dtype
    np.testing.assert_allclose(tf.cast(mine, tf.float32), tf.cast(reference, tf.float32), atol=2e-2)
    assert all(variable.dtype == "float32" for variable in ours.weights)
    np.testing.assert_allclose(ours.moving_variance.numpy(), theirs.moving_variance.numpy(), rtol=2e-3)


@pytest.mark.parametrize(("channels", "kernel"), [(16, tf.bfloat16), (24, tf.float32)])
def test_bfloat16_is_normalised_in_the_dtype_that_has_a_fast_kernel(channels: int, kernel: tf.DType) -> None:
    ours, theirs = pair(channels)
    ours.dtype_policy = theirs.dtype_policy = "mixed_bfloat16"
    x = tf.cast(tf.random.normal((8, 5, 6, channels), mean=2.0), tf.bfloat16)
    graph = tf.function(lambda x: ours(x, training=True)).get_concrete_function(x).graph
    assert [each.inputs[0].dtype for each in graph.get_operations() if each.type == "FusedBatchNormV3"] == [kernel]
    upstream = tf.random.normal(x.shape)
    for mine, reference in zip(step(ours, x, upstream, True), step(theirs, x, upstream, True), strict=True):
        assert mine.dtype == reference.dtype
        np.testing.assert_allclose(mine.astype(np.float32), reference.astype(np.float32), rtol=2e-2, atol=5e-2)


def test_a_frozen_layer_uses_and_keeps_its_moving_statistics() -> None:
    ours, theirs = pair(4)
    ours.trainable = theirs.trainable = False
    x = tf.random.normal((2, 5, 6, 4))
    before = ours.get_weights()
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=False), rtol=1e-5, atol=1e-6)
    for old, new in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_two_replicas_equal_one_with_all_the_examples() -> None:
    x, upstream = tf.random.normal((6, 5, 6, 4), mean=50.0), tf.random.normal((6, 5, 6, 4))
    # Halves with different statistics: a replica that normalised to its own would differ.
    x = tf.concat([x[:3], 3.0 * x[3:]], axis=0)
    alone = BatchNormalization()
    alone.build((None, 5, 6, 4))
    expected = step(alone, x, upstream, training=True)

    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        layer = BatchNormalization()
        layer.build((None, 5, 6, 4))

    def replica() -> list[tf.Tensor]:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        start = 3 * tf.cast(number, tf.int32)
        part = tf.gather(x, start + tf.range(3))
        with tf.GradientTape() as tape:
            tape.watch(part)
            y = layer(part, training=True)
        gradients = tape.gradient(y, [part, layer.gamma.value, layer.beta.value], output_gradients=tf.gather(upstream, start + tf.range(3)))
        return [y, *gradients]

    values = [strategy.experimental_local_results(value) for value in tf.function(lambda: strategy.run(replica))()]
    for own, reference in zip(values[:2], expected[:2], strict=True):
        np.testing.assert_allclose(np.concatenate(own), reference, rtol=1e-3, atol=1e-4)
    for own, reference in zip(values[2:], expected[2:], strict=True):
        np.testing.assert_allclose(own[0] + own[1], reference, rtol=1e-3, atol=1e-3)
    for variable, reference in zip(layer.weights, alone.weights, strict=True):
        first, second = (copy.numpy() for copy in strategy.experimental_local_results(variable.value))
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, reference.numpy(), rtol=1e-4, atol=1e-5)


def test_a_model_with_it_is_saved_and_loaded(tmp_path) -> None:
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, BatchNormalization(momentum=0.8, epsilon=1e-2)(image))
    model(tf.random.normal((3, 4, 4, 2)), training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.layers[1].momentum, loaded.layers[1].epsilon) == (0.8, 1e-2)
    x = tf.random.normal((3, 4, 4, 2))
    np.testing.assert_array_equal(model(x), loaded(x))


def test_momentum_suits_short_runs() -> None:
    assert BatchNormalization().momentum == 0.9


@pytest.mark.parametrize("training", [True, False])
def test_float64_stays_float64_and_equals_keras(training: bool) -> None:
    x, upstream = tf.random.normal([3, 5, 6, 4], mean=2.0, dtype=tf.float64), tf.random.normal([3, 5, 6, 4], dtype=tf.float64)
    ours, theirs = BatchNormalization(dtype="float64"), keras.layers.BatchNormalization(momentum=0.9, dtype="float64")
    for layer in (ours, theirs):
        layer.build((None, 5, 6, 4))
    for mine, reference in zip(step(ours, x, upstream, training), step(theirs, x, upstream, training), strict=True):
        assert mine.dtype == np.float64
        np.testing.assert_allclose(mine, reference, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 5, 6, 4), (7, 4), (3, 5, 4)])
def test_layer_norm_and_its_gradients_equal_keras(shape: tuple[int, ...], training: bool) -> None:
    x, upstream = tf.random.normal(shape, mean=2.0, stddev=3.0), tf.random.normal(shape)
    layers = LayerNormalization(epsilon=1e-2), keras.layers.LayerNormalization(epsilon=1e-2)
    for layer in layers:
        layer.build((None, *shape[1:]))
        layer.set_weights([np.linspace(0.5, 2.0, 4), np.linspace(-1.0, 0.5, 4)])
    for mine, reference in zip(*(step(layer, x, upstream, training) for layer in layers), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-4, atol=1e-5)


def test_layer_norm_is_worked_out_by_hand() -> None:
    layer = LayerNormalization(epsilon=0.5)
    layer.build((None, 4))
    layer.set_weights([np.array([1.0, 1.0, 2.0, 1.0]), np.array([0.0, 0.0, 0.0, 7.0])])
    # Mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5, so that each deviation is over sqrt(4) = 2.
    np.testing.assert_allclose(layer(tf.constant([[1.0, 2.0, 3.0, 6.0]])), [[-1.0, -0.5, 0.0, 8.5]], rtol=1e-6)


def test_layer_norm_is_computed_in_float32_and_given_in_the_policy_s() -> None:
    layer = LayerNormalization(dtype="mixed_bfloat16")
    x = 1000.0 + tf.range(8, dtype=tf.float32)[None]  # eight values that are one in bfloat16 arithmetic
    layer.build(x.shape)
    outputs = layer(tf.cast(x, tf.bfloat16), training=True)
    assert (outputs.dtype, layer.gamma.dtype) == (tf.bfloat16, "float32")
    exact = LayerNormalization()(tf.cast(tf.cast(x, tf.bfloat16), tf.float32))
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), exact, rtol=1e-2, atol=1e-2)


def on_two_replicas(layer: BatchNormalization, x: tf.Tensor) -> np.ndarray:
    """What each of two replicas makes of its half of a batch, one below the other."""
    both = layer.moving_mean.value.distribute_strategy
    halves = both.experimental_distribute_values_from_function(lambda context: x[context.replica_id_in_sync_group :: 2])
    outputs = tf.function(lambda: both.run(lambda half: layer(half, training=True), (halves,)))()
    return np.concatenate([value.numpy() for value in both.experimental_local_results(outputs)])


@pytest.mark.parametrize("synchronized", [True, False])
def test_statistics_of_the_global_batch_or_of_each_replica(synchronized: bool) -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (8, 5, 6, 4)).astype(np.float32)
    x[::2] += 5.0  # the first replica's half
    with strategy.make("cpu:2").scope():
        layer = BatchNormalization(momentum=0.0, synchronized=synchronized)
        layer.build(x.shape)
    found = on_two_replicas(layer, tf.constant(x))
    halves = [x[0::2], x[1::2]]
    seen = [x, x] if synchronized else halves
    expected = [(half - own.mean((0, 1, 2))) / np.sqrt(own.var((0, 1, 2)) + 1e-3) for half, own in zip(halves, seen, strict=True)]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-4)
    assert len(per_replica(keras.Sequential([layer]))) == (0 if synchronized else 2)
    for moving, statistic in ((layer.moving_mean, np.mean), (layer.moving_variance, np.var)):
        for copy, own in zip(moving.value.values, seen, strict=True):
            np.testing.assert_allclose(copy.numpy(), statistic(own, (0, 1, 2)), rtol=1e-4)


def test_a_copy_is_as_synchronised_as_the_layer() -> None:
    layer = BatchNormalization(synchronized=False)
    assert not BatchNormalization.from_config(layer.get_config()).synchronized
