"""LSTM layers over whole sequences as LiteRT's fused op, which Keras 3 loses: it unrolls into a WHILE loop of small ops otherwise.

The converter knows an LSTM by a function that carries `api_implements="lstm_<id>"` and has the signature that Keras 2 gave it: six inputs (sequence,
both states, kernel, recurrent kernel, bias) and five outputs (last output, all outputs, both states, the runtime it was computed by).

Deviations: static batch, no mask. The int8 form that the converter makes of the fused op is too coarse to be used, so such files are refused
(`kvision_export.tflite.runtimes.problem`); dynamic range and float are right.
"""

from __future__ import annotations

import uuid
from typing import Any

import keras
import tensorflow as tf


class FusedLSTM(keras.layers.Layer):
    """Computes what a built `keras.layers.LSTM` does, in one op after conversion; for inference only.

    Takes sequences `[B, T, D]`, B and T known; gives what the layer gives: `[B, U]`, or `[B, T, U]` with `return_sequences`, and with `return_state`
    also the last hidden and cell states `[B, U]`.
    """

    def __init__(self, layer: keras.layers.LSTM, **kwargs: Any) -> None:
        """Wraps a layer, whose variables it uses.

        Args:
            layer: Built, with the default activations, forwards, stateless.
            **kwargs: As for any Keras layer.

        Raises:
            ValueError: If the fused op can't compute what the layer does.
        """
        super().__init__(**{"name": f"{layer.name}_fused", **kwargs})
        cell = layer.cell
        odd = {
            "activation": (keras.activations.serialize(cell.activation), "tanh"),
            "recurrent_activation": (keras.activations.serialize(cell.recurrent_activation), "sigmoid"),
            "use_bias": (cell.use_bias, True),
            "go_backwards": (layer.go_backwards, False),
            "stateful": (layer.stateful, False),
        }
        for option, (value, accepted) in odd.items():
            if value != accepted:
                raise ValueError(f"{layer.name}: {option}={value} can't be fused; accepted is {accepted}: export the layer as it is")
        self.layer = layer
        self._function = tf.function(
            _standard_lstm,
            autograph=False,
            experimental_attributes={
                "api_implements": f"lstm_{uuid.uuid4()}",
                "api_preferred_device": "CPU",
                "time_major": False,
                "go_backwards": False,
            },
        )

    def call(self, inputs: tf.Tensor, mask: None = None, training: bool = False) -> Any:
        """The sequence's outputs, starting from zero states."""
        if mask is not None or training:
            raise ValueError(f"{self.name}: the fused LSTM takes no mask and is for inference only; export the layer as it is")
        zeros = tf.zeros([inputs.shape[0], self.layer.units], inputs.dtype)
        cell = self.layer.cell
        weights = [tf.convert_to_tensor(each) for each in (cell.kernel, cell.recurrent_kernel, cell.bias)]
        last, every, hidden, memory, _ = self._function(inputs, zeros, zeros, *weights)
        output = every if self.layer.return_sequences else last
        return (output, hidden, memory) if self.layer.return_state else output


def fuse(net: keras.Model) -> keras.Model:
    """The same network, with the same weights, with `FusedLSTM` for each `keras.layers.LSTM` that can be fused and is called without a mask."""

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, keras.layers.LSTM):
            return layer
        try:
            return FusedLSTM(layer)
        except ValueError:
            return layer

    return keras.models.clone_model(net, clone_function=replaced)


def _standard_lstm(inputs: tf.Tensor, init_h: tf.Tensor, init_c: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor) -> Any:
    """The reference that the converter replaces: Hochreiter & Schmidhuber 1997 with forget gates; gates in the order i, f, c, o."""
    steps, sequence = inputs.shape[1], tf.transpose(inputs, [1, 0, 2])
    outputs = tf.TensorArray(inputs.dtype, steps, element_shape=init_h.shape)

    def step(time: tf.Tensor, h: tf.Tensor, c: tf.Tensor, written: tf.TensorArray) -> tuple[Any, ...]:
        gates = tf.matmul(sequence[time], kernel) + tf.matmul(h, recurrent_kernel) + bias
        i, f, candidate, o = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(candidate)
        h = tf.sigmoid(o) * tf.tanh(c)
        return time + 1, h, c, written.write(time, h)

    _, h, c, outputs = tf.while_loop(lambda time, *_: time < steps, step, (0, init_h, init_c, outputs))
    every = tf.transpose(outputs.stack(), [1, 0, 2])
    return h, tf.ensure_shape(every, [inputs.shape[0], steps, init_h.shape[1]]), h, c, tf.constant(0.0)
