"""Draws of a rollout."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kvision.systems.rl._collector import Draw


def test_gumbel_noise_is_the_same_within_an_xla_program_and_out_of_one() -> None:
    def noise(step: tf.Tensor) -> tf.Tensor:
        return Draw(3, step, 10_000).gumbel([2])

    found = tf.function(noise)(tf.constant(5, tf.int64)).numpy()
    np.testing.assert_allclose(tf.function(noise, jit_compile=True)(tf.constant(5, tf.int64)), found, rtol=1e-5, atol=1e-6)
    assert abs(found.mean() - np.euler_gamma) < 0.03
    assert abs(found.std() - np.pi / np.sqrt(6)) < 0.03
