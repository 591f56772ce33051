"""A small network under a strategy, with an `Update` to step it: what the tests of the engine's numerics share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kvision.core.schema import OptimOptions
from kvision.engine import ema, guard, optim, plateau, precision, replica, strategy

BATCH = 8


def small_net(dropout: float = 0.0, kind: type[keras.layers.Dropout] = keras.layers.Dropout) -> keras.Model:
    """A convolution and a matrix (the one shape that Muon orthogonalises) on 6x6 images, 3 classes."""
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
    if dropout:
        x = kind(dropout)(x)
    return keras.Model(image, keras.layers.Dense(3, name="last", dtype="float32")(x))


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    """A global batch."""
    random = np.random.default_rng(seed)
    return {
        "image": random.normal(size=(BATCH, 6, 6, 2)).astype(np.float32),
        "mask": random.integers(0, 3, (BATCH, 6, 6)),
        "weight": np.ones(BATCH, np.float32),
    }


class Rig:
    """Network, state and a compiled step; options are those of `OptimOptions`."""

    def __init__(
        self, devices: str = "cpu", *, net: Any = small_net, fp16: bool = False, ema_decay: float | None = 0.5, ema_start: int = 0, **options: Any
    ) -> None:
        self.options = OptimOptions(**{"schedule": "constant", "weight_decay": 0.0, **options})
        self.strategy = strategy.make(devices)
        with self.strategy.scope():
            self.net = net()
            self.step = replica.scalar(0, tf.int64, "step")
            self.guard = guard.Guard()
            self.plateau = plateau.Plateau(self.options.decay, self.options.patience_epochs) if self.options.schedule == "plateau" else None
            self.scale = precision.loss_scale("fp16" if fp16 else "fp32")
            self.ema = ema.EMA(ema_decay, [self.net], start=ema_start)
            self.update = optim.make(
                self.options,
                {"net": self.net.trainable_variables},
                total_steps=100,
                batch=BATCH,
                step=self.step,
                loss_scale=self.scale,
                guard=self.guard,
                plateau=self.plateau,
                seed=7,
                networks=[self.net],
            )["net"]
        self._graph = tf.function(self._call, autograph=False)

    def losses(self, part: Any) -> tf.Tensor:
        """Mean cross-entropy of each example `[b]`."""
        logits = self.net(part["image"], training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(part["mask"], logits), [1, 2])

    def _call(self, share: Any) -> tf.Tensor:
        def one(part: Any) -> tf.Tensor:
            loss = self.update.minimize(self.losses, part)
            self.ema.update(self.guard.passed(tf.convert_to_tensor(self.step)))
            replica.assign_add(self.step, 1)
            return loss

        return self.strategy.reduce("SUM", self.strategy.run(one, args=(share,)), axis=None)

    def train(self, *batches: dict[str, np.ndarray]) -> list[float]:
        """One step on each global batch; their losses."""
        size = BATCH // self.strategy.num_replicas_in_sync

        def share(whole: dict[str, np.ndarray]) -> Any:
            return self.strategy.experimental_distribute_values_from_function(
                lambda context: {key: tf.constant(value[context.replica_id_in_sync_group * size :][:size]) for key, value in whole.items()}
            )

        return [float(self._graph(share(whole))) for whole in batches]

    def weights(self) -> list[np.ndarray]:
        """The network's weights."""
        return [weight.numpy() for weight in self.net.weights]

    def state(self) -> dict[str, np.ndarray]:
        """Everything: weights, slots and averages."""
        named = {f"net/{i}": weight for i, weight in enumerate(self.net.weights)} | self.update.variables | self.ema.variables
        return {name: np.array(replica.native(variable).numpy()) for name, variable in named.items()}


def assert_close(left: Any, right: Any, atol: float = 1e-6) -> None:
    """Every pair of arrays within `atol`."""
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)
