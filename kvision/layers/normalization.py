"""Batch normalisation by TensorFlow's fused kernels: what `keras.layers.BatchNormalization` computes, in a fraction of its time.

Paper: Ioffe & Szegedy 2015, arXiv 1502.03167.
Deviations: the moving variance keeps the biased variance of the batch, as Keras does and the paper's algorithm 2 does not.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_BFLOAT16_CHANNELS = 16


@keras.saving.register_keras_serializable("kvision")
class BatchNormalization(keras.layers.Layer):
    """Normalises each channel to the mean and variance of the batch, `y = gamma (x - mean) / sqrt(var + epsilon) + beta`.

    Outputs, gradients and moving statistics equal `keras.layers.BatchNormalization`; scale, offset and statistics are float32 also when the
    activations are bfloat16 or float16, and float64 when those are float64, which the fused kernels can't do.

    With several replicas the statistics of a synchronised layer are those of all their examples together (equal shares are assumed), so that a
    run does not depend on the number of devices. One that is not takes each replica's own, by the fused kernels and without waiting for others;
    of its moving statistics each replica has its own until the step ends, when all are given their mean (see `per_replica`).

    `momentum` is 0.9, not Keras' 0.99, which needs some thousand steps before evaluation can be trusted.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-3, synchronized: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `gamma`, `beta` and the moving statistics, all float32 `[C]`."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones", autocast=False)
        self.beta = self.add_weight(shape=shape, name="beta", initializer="zeros", autocast=False)
        moving = {"shape": shape, "trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        self.moving_mean = self.add_weight(name="moving_mean", initializer="zeros", **moving)
        self.moving_variance = self.add_weight(name="moving_variance", initializer="ones", **moving)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalises `[..., C]` with the batch's statistics in training, else with the moving ones (also while frozen)."""
        wide = inputs.dtype == tf.float64
        if not (training and self.trainable):
            if wide:
                return self._normalise(inputs, self.moving_mean.value, self.moving_variance.value)
            return self._fused(inputs, self.moving_mean, self.moving_variance, training=False)[0]
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        if wide or (several and self.synchronized):
            outputs, mean, variance = self._over_replicas(inputs)
        else:
            outputs, mean, variance = self._fused(inputs, [], [], training=True)
            count = tf.cast(tf.size(inputs, tf.int64), tf.float32) / inputs.shape[-1]
            variance *= (count - 1.0) / count
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            _assign(moving, moving.value * self.momentum + value * (1.0 - self.momentum))
        return outputs

    def _fused(self, inputs: tf.Tensor, mean: Any, variance: Any, *, training: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, and in training the batch's mean and its variance with Bessel's correction."""
        flat = inputs.shape.rank != 4
        # Of other numbers of channels, oneDNN's kernel takes a fifth of the time in float32.
        x = tf.cast(inputs, tf.float32) if inputs.dtype == tf.bfloat16 and inputs.shape[-1] % _BFLOAT16_CHANNELS else inputs
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, [-1, 1, 1, x.shape[-1]]) if flat else x,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.convert_to_tensor(mean, tf.float32),
            variance=tf.convert_to_tensor(variance, tf.float32),
            epsilon=self.epsilon,
            exponential_avg_factor=1.0,
            is_training=training,
        )
        outputs = tf.cast(outputs, inputs.dtype)
        return tf.reshape(outputs, tf.shape(inputs)) if flat else outputs, mean, variance

    def _over_replicas(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, mean and variance over all replicas, of each one's own: E[x^2] - E[x]^2 cancels in float32 (Chan et al. 1983, equation 1.5)."""
        x = tf.cast(inputs, self.gamma.dtype)
        means, variances = tf.unstack(_everyones(tf.stack(tf.nn.moments(x, list(range(inputs.shape.rank - 1))))), axis=1)
        mean = tf.reduce_mean(means, axis=0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), axis=0)
        return tf.cast(self._normalise(x, mean, variance), inputs.dtype), mean, variance

    def _normalise(self, x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        """The formula, by plain operations in the dtype of scale and offset."""
        scale = self.gamma.value * tf.math.rsqrt(variance + self.epsilon)
        return x * scale + (self.beta.value - mean * scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon, "synchronized": self.synchronized}


def _assign(variable: keras.Variable, value: tf.Tensor) -> None:
    """Writes this replica's copy alone, or, within `keras.StatelessScope`, what the scope holds."""
    if isinstance(variable.value, tf.Tensor):
        variable.assign(value)
    else:
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=value)


def per_replica(network: keras.Model) -> list[keras.Variable]:
    """The moving statistics of which each replica has its own after a forward pass in training.

    They are linear in what each batch adds, so that the mean over the replicas can be taken at any time: by the engine, with the gradients.
    """
    layers = (layer for layer in network._flatten_layers() if isinstance(layer, BatchNormalization) and not layer.synchronized)
    return [variable for layer in layers if layer.trainable for variable in (layer.moving_mean, layer.moving_variance)]


def _everyones(value: tf.Tensor) -> tf.Tensor:
    """The values of all replicas `[R, ...]`, of this one's `[...]`: a sum of zeros and them, so that it and its gradient are one reduction each."""
    context = tf.distribute.get_replica_context()
    place = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype=value.dtype)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.tensordot(place, value, axes=0))


@keras.saving.register_keras_serializable("kvision")
class LayerNormalization(keras.layers.Layer):
    """Normalises each place over its channels, `y = gamma (x - mean) / sqrt(var + epsilon) + beta` (Ba et al. 2016, arXiv 1607.06450, equation 4).

    What `keras.layers.LayerNormalization` computes, by operations that all have kernels in whole numbers (Keras' negate, which int8 files then do in
    float), and compiled to one loop in training, a third of the time. Scale, offset and statistics are float32 at least.
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `gamma` and `beta`, both float32 `[C]`."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones", autocast=False)
        self.beta = self.add_weight(shape=shape, name="beta", initializer="zeros", autocast=False)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[..., C]` to the same shape; outside of training plain operations, so that nothing else is ever exported."""
        normalise = _compiled_layer_norm if training else _layer_norm
        return normalise(inputs, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta), self.epsilon)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "epsilon": self.epsilon}


def _layer_norm(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """The formula in the dtype of scale and offset, rounded to that of the inputs."""
    x = tf.cast(inputs, gamma.dtype)
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    return tf.cast(centred * tf.math.rsqrt(variance + epsilon) * gamma + beta, inputs.dtype)


_compiled_layer_norm = tf.function(_layer_norm, jit_compile=True)
