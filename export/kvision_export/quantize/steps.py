"""The layers of a twin: each computes what one operation of the int8 file computes, and rounds where that rounds.

A layer with weights, the normalisation behind it and the activation behind both are one operation of the file. The normalisation is folded into
the kernel with its moving statistics, which stay as training left them.

Paper: Jacob et al. 2018, arXiv 1712.05877, section 3.2 (folding). Deviations: frozen statistics instead of those of each batch, as arXiv 1806.08342,
section 3.2.1, ends its training; a fine-tuning of few epochs starts there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision_export.quantize.rounding import Range, round_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

FUSED: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {"linear": tf.identity, "relu": tf.nn.relu, "relu6": tf.nn.relu6}
"""Activations that the int8 kernels apply before they round."""


@dataclass(frozen=True)
class Product:
    """The linear part of a layer with weights.

    Attributes:
        apply: Input and kernel to output.
        kernel: The layer's kernel with the output channels last, `[..., C]`.
        restore: From there to the shape that `apply` takes.
        bias: Of the layer, `[C]`; none.
    """

    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    kernel: Callable[[], tf.Tensor]
    restore: Callable[[tf.Tensor], tf.Tensor]
    bias: Callable[[], tf.Tensor] | None


class Weighted(keras.layers.Layer):
    """A layer with weights, rounded by output channel, with all that is fused into it.

    Attributes:
        calibrating: Whether weights are left unrounded.
        settled: Rounded kernel and bias, once they are trained.
    """

    def __init__(
        self,
        product: Product,
        layers: list[keras.layers.Layer],
        *,
        norm: keras.layers.Layer | None,
        activation: str,
        output: Range | None,
        **kwargs: Any,
    ) -> None:
        """Takes the variables of trained layers.

        Args:
            product: The linear part.
            layers: The layers whose variables these are.
            norm: The batch normalisation to fold; none.
            activation: One of `FUSED`.
            output: Range of the output; none: whoever takes the output rounds it.
            **kwargs: As every layer's.
        """
        super().__init__(**kwargs)
        self.calibrating = False
        self.parts, self.norm, self.output_range = layers, norm, output
        self._product, self._activation = product, activation
        self.settled: tuple[np.ndarray, np.ndarray] | None = None
        self.built = True

    def folded(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Kernel `[..., C]` and bias `[C]` with the normalisation in them.

        References:
            arXiv 1712.05877, equation 14.
        """
        kernel = self._product.kernel()
        bias = tf.zeros(kernel.shape[-1:]) if self._product.bias is None else self._product.bias()
        if self.norm is None:
            return kernel, bias
        scale = tf.math.rsqrt(tf.convert_to_tensor(self.norm.moving_variance) + self.norm.epsilon)
        if self.norm.gamma is not None:
            scale *= tf.convert_to_tensor(self.norm.gamma)
        bias = (bias - tf.convert_to_tensor(self.norm.moving_mean)) * scale
        return kernel * scale, bias if self.norm.beta is None else bias + tf.convert_to_tensor(self.norm.beta)

    def settle(self) -> None:
        """Makes constants of the rounded weights as they are now: what is frozen for the converter then holds no arithmetic on weights."""
        kernel, bias = self.folded()
        self.settled = round_weights(kernel).numpy(), bias.numpy()

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The output, rounded."""
        if self.settled is not None:
            kernel, bias = (tf.constant(values) for values in self.settled)
        else:
            kernel, bias = self.folded()
            kernel = kernel if self.calibrating else round_weights(kernel)
        outputs = FUSED[self._activation](self._product.apply(inputs, self._product.restore(kernel)) + bias)
        return outputs if self.output_range is None else self.output_range(outputs, training=training)


class Plain(keras.layers.Layer):
    """An operation without weights.

    Args:
        operation: The layer, or operation of `keras.ops`, of the original network.
        activation: One of `FUSED`.
        output: Range of the output; none: the output lies on a grid already, or whoever takes it rounds it.
        same: Range that the output shares with the input, for operations whose int8 kernel has one for both; none.
        **kwargs: As every layer's.
    """

    def __init__(
        self, operation: keras.Operation, *, activation: str = "linear", output: Range | None = None, same: Range | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.output_range, self._activation = operation, output, activation
        self.input_range = same
        self.built = True

    def call(self, *inputs: Any, training: bool = False) -> tf.Tensor:
        """The output, rounded."""
        operation: Any = self.operation
        if isinstance(operation, keras.layers.Layer):
            x = list(inputs) if len(inputs) > 1 else inputs[0]
            outputs = operation(x, training=training) if operation._call_has_training_arg else operation(x)
        else:
            outputs = operation(*inputs)
        outputs = FUSED[self._activation](outputs)
        if self.input_range is not None:
            return self.input_range.again(outputs)
        return outputs if self.output_range is None else self.output_range(outputs, training=training)
