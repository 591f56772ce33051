"""With op determinism on, no make of the U-Net and no loss uses an operation that refuses, or that gives other bits the second time.

Op determinism can't be turned off again in a process, so the file runs itself in another one.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

CASES: list[dict[str, Any]] = [
    {"upsampling": "nearest", "loss": {"name": "dice"}},
    {"upsampling": "bilinear", "loss": {"name": "focal"}},
    {"upsampling": "bicubic", "loss": {"name": "ce_dice"}},
    {"upsampling": "bed_of_nails", "loss": {"name": "border_ce"}},
    {"upsampling": "max_unpool", "loss": {"name": "ce"}, "dropout": 0.3},
]


def main() -> None:
    import keras
    import numpy as np
    import tensorflow as tf

    from tests.unit.systems.segmentation import examples

    tf.config.experimental.enable_op_determinism()

    def trainings(case: dict[str, Any]) -> list[list[np.ndarray]]:
        """What two trainings from the same start come to."""
        keras.utils.set_random_seed(0)
        system, batch = examples.unet(16, filters=(4, 8), **case), examples.batch(8, 16)
        variables, optimizer = system.net.trainable_variables, keras.optimizers.SGD(0.1)
        optimizer.build(variables)
        begin = [each.numpy() for each in system.net.variables]  # the generators of dropout among them

        @tf.function
        def step() -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(system.example_losses(batch))
            optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)

        evaluate, found = tf.function(system.eval_step), []
        for _ in range(2):
            for variable, value in zip(system.net.variables, begin, strict=True):
                variable.assign(value)
            for _ in range(3):
                step()
            found.append([*system.net.get_weights(), *(value.numpy() for value in tf.nest.flatten(evaluate(batch)))])
        return found

    for case in CASES:
        for first, second in zip(*trainings(case), strict=True):
            np.testing.assert_array_equal(first, second, err_msg=str(case))


def test_training_twice_gives_the_same_bits() -> None:
    done = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


if __name__ == "__main__":
    main()
