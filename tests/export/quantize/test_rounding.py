"""Rounding, against arithmetic in whole numbers by hand."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from kvision_export.quantize import twin
from kvision_export.quantize.rounding import Range, round_weights
from tests.export.quantize import int8, nets

L = keras.layers


def test_weights_by_hand() -> None:
    kernel = np.array([[1.27, -0.5], [0.014, 0.26], [-0.016, 0.0]], np.float32)
    # Scales 0.01 and 0.5 / 127.
    expected = np.array([[127 * 0.01, -127 * 0.5 / 127], [0.01, 66 * 0.5 / 127], [-0.02, 0.0]])
    np.testing.assert_allclose(round_weights(tf.constant(kernel)).numpy(), expected, atol=1e-7)


def test_rounding_weights_twice_changes_nothing() -> None:
    once = round_weights(tf.constant(np.random.default_rng(0).normal(size=(3, 3, 8, 16)).astype(np.float32)))
    np.testing.assert_allclose(round_weights(once), once, rtol=3e-7, atol=0)


def test_a_channel_of_zeros_stays_zero() -> None:
    assert np.array_equal(round_weights(tf.zeros([3, 2])).numpy(), np.zeros([3, 2]))


def test_the_gradient_passes_weights_unchanged() -> None:
    kernel = tf.constant([[1.0, -3.0], [0.2, 0.1]])
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        value = tf.reduce_sum(round_weights(kernel) * [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(tape.gradient(value, kernel), [[1.0, 2.0], [3.0, 4.0]])


def test_activations_by_hand() -> None:
    grid = Range()
    grid.low.assign(-1.0)
    grid.high.assign(4.1)  # 255 steps of 0.02, of which the 50th is 0
    np.testing.assert_allclose(grid(tf.constant([-3.0, -0.011, 0.0, 0.029, 4.0, 7.0])), [-1.0, -0.02, 0.0, 0.02, 4.0, 4.1], atol=1e-6)


def test_the_gradient_of_an_activation_is_1_inside_and_0_beyond() -> None:
    grid, x = Range((0.0, 1.0)), tf.constant([-0.5, 0.3, 0.9, 1.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(grid(x))
    np.testing.assert_array_equal(tape.gradient(value, x), [0.0, 1.0, 1.0, 0.0])


def test_a_range_is_the_mean_of_the_batches_then_a_moving_average() -> None:
    grid = Range(momentum=0.75)
    grid.calibrating = True
    for high in (1.0, 3.0, 5.0, 7.0):
        grid(tf.constant([-0.5 * high, high]))
    np.testing.assert_allclose([grid.low.numpy(), grid.high.numpy()], [-2.0, 4.0])
    grid(tf.constant([2.0, 8.0]))  # all above 0, which a range always holds
    np.testing.assert_allclose([grid.low.numpy(), grid.high.numpy()], [-1.5, 5.0])


def test_all_replicas_learn_the_same_range() -> None:
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        grid = Range()

    def replica() -> tf.Tensor:
        number = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
        return grid(tf.stack([-1.0, 2.0 + 4.0 * number]), training=True)

    tf.function(lambda: strategy.run(replica))()
    for variable, expected in ((grid.low, -1.0), (grid.high, 4.0), (grid.seen, 1.0)):
        assert [copy.numpy() for copy in strategy.experimental_local_results(variable.value)] == [expected, expected]


def test_a_fixed_range_stays() -> None:
    grid = Range((0.0, 255 / 256))
    grid(tf.constant([-4.0, 4.0]), training=True)
    assert (grid.low.numpy(), grid.high.numpy()) == (0.0, 255 / 256)


def test_a_convolution_with_its_normalisation_equals_the_int8_kernel_in_whole_numbers() -> None:
    layers = L.Conv2D(5, 3, padding="valid", use_bias=False), L.BatchNormalization(), L.ReLU()
    net, images = nets.chain(*layers), np.random.default_rng(2).normal(size=(2, *nets.SHAPE)).astype(np.float32)
    made = int8.calibrated(net, images)
    taken, given = (next(each for each in twin.ranges(made) if name in each.name) for name in ("image", layers[2].name))
    (s_in, z_in), (s_out, z_out) = _affine(taken), _affine(given)
    convolution, norm = layers[0], layers[1]
    scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    kernel = convolution.kernel.numpy() * scale
    s_w = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    whole = np.round(kernel / s_w).astype(np.int64)
    bias = np.round((norm.beta.numpy() - norm.moving_mean.numpy() * scale) / (s_in * s_w)).astype(np.int64)
    x = np.clip(np.round(images / s_in) + z_in, 0, 255).astype(np.int64) - z_in
    sums = np.stack([[np.tensordot(image[r : r + 3, c : c + 3], whole, 3) for c in range(14)] for image in x for r in range(14)])
    sums = sums.reshape(2, 14, 14, 5) + bias
    expected = (np.clip(np.round(sums * (s_in * s_w / s_out)) + z_out, z_out, 255) - z_out) * s_out
    found = made(images).numpy()
    off = np.abs(found - expected) / s_out
    assert off.max() < 1.01
    assert (off > 0.5).mean() < 1e-3  # sums that lie between two steps to the last digit


def _affine(grid: Range) -> tuple[float, int]:
    """Scale and zero point, 0 to 255."""
    scale = (grid.high.numpy() - grid.low.numpy()) / 255
    return scale, round(-grid.low.numpy() / scale)
