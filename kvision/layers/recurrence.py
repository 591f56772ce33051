"""Recurrent layers over whole sentences: what Keras' cells compute step by step, in less time.

Out of the loop go the inputs' products with their kernels, one for all steps, and the gradients of what is multiplied within the loop: TensorFlow's
own are T products of thin matrices and T sums of whole ones, here they are a single product. There are no masks, for what stands behind a
sentence's end is left out of the loss, so that on a GPU the kernels of cuDNN serve.

Shapes: T steps, N sentences, D inputs, H units; steps come first, `[T, N, ...]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from kvision.ops import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

Tensors = dict[str, tf.Tensor]
States = tuple[tf.Tensor, ...]


class Deferred:
    """A weight by which a loop multiplies what it knows at each step, `p_t = o_t + s_t W`, and whose gradient is taken after the loop.

    That gradient is the sum of the steps' `s_t^T dp_t`. As `dp_t` is also the gradient of the offset `o_t`, which comes from outside of the loop,
    one product of all steps' `s` and `dp` gives it.

    Args:
        weight: `[H, K]`, or `[N, H, K]` for one of each sentence.

    Attributes:
        held: What the loop multiplies by.
    """

    def __init__(self, weight: tf.Tensor) -> None:
        self.held = tf.stop_gradient(weight)
        self._weight = weight
        self._seen: tf.Tensor | None = None

    def offsets(self, offsets: tf.Tensor) -> tf.Tensor:
        """The offsets `[T, N, K]` as the loop must add them."""

        @tf.custom_gradient
        def through(offsets: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
            return tf.identity(offsets), lambda upstream: (upstream, self._gradient(upstream))

        return through(offsets, self._weight)

    def saw(self, states: tf.Tensor) -> None:
        """Tells, when the loop is over, what `[T, N, H]` the weight was multiplied by."""
        self._seen = tf.stop_gradient(states)

    def _gradient(self, upstream: tf.Tensor) -> tf.Tensor:
        if self._seen is None:
            raise ValueError("nobody said by saw() what the weight was multiplied by")
        return self._gradient_of(self._seen, upstream)

    def _gradient_of(self, seen: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        if self.held.shape.rank == 3:
            return tf.einsum("tnh,tnk->nhk", seen, upstream)
        return tf.matmul(_flat(seen), _flat(upstream), transpose_a=True)


def loop(body: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]], states: Tensors, inputs: Tensors, outputs: Tensors) -> Tensors:
    """Runs a step for each of T steps, one after the other.

    Args:
        body: From the states and the step's inputs to the next states and the step's outputs.
        states: The first ones.
        inputs: `[T, N, ...]` by name.
        outputs: For each that the body gives, a tensor of its shape and dtype.

    Returns:
        The outputs, `[T, N, ...]`.
    """
    steps = length(next(iter(inputs.values())), 0)
    given = {name: tf.TensorArray(each.dtype, steps, element_shape=each.shape[1:]).unstack(each) for name, each in inputs.items()}
    made = {name: tf.TensorArray(each.dtype, steps, element_shape=each.shape) for name, each in outputs.items()}

    def step(t: tf.Tensor, states: Tensors, made: dict[str, tf.TensorArray]) -> tuple[tf.Tensor, Tensors, dict[str, tf.TensorArray]]:
        states, found = body(states, {name: array.read(t) for name, array in given.items()})
        return t + 1, states, {name: array.write(t, found[name]) for name, array in made.items()}

    _, _, made = tf.while_loop(lambda t, *_: t < steps, step, (0, states, made), maximum_iterations=steps)
    return {name: array.stack() for name, array in made.items()}


def lstm(gates: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One step of an LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers 2000).

    Args:
        gates: `[N, 4H]` before their activations, in Keras' order: input, forget, candidate, output.
        c: Memory `[N, H]`, float32 at least.

    Returns:
        Output `[N, H]` in the dtype of the gates, and memory `[N, H]` in its own.
    """
    entering, kept, candidate, leaving = tf.split(dtypes.widened(gates), 4, axis=-1)
    c = tf.sigmoid(kept) * c + tf.sigmoid(entering) * tf.tanh(candidate)
    return tf.cast(tf.sigmoid(leaving) * tf.tanh(c), gates.dtype), c


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def once(layer: keras.layers.RNN, inputs: tf.Tensor, states: States, added: tf.Tensor | None = None) -> States:
    """One step of a recurrent layer.

    Args:
        layer: `SimpleRNN`, `LSTM` or `GRU`, built, with Keras' usual activations.
        inputs: `[N, D]`, in the dtype that is computed in.
        states: Output and, of an LSTM, memory, `[N, H]` each.
        added: To the inputs' products with the kernel, of a `SimpleRNN`, `[N, H]`; none: nothing.

    Returns:
        The next states, the output first.
    """
    kernel, of_x, offsets = _parts(layer.cell, inputs, added)
    return _advanced(layer.cell, of_x, tf.matmul(states[0], kernel) + offsets, states)


def whole(layer: keras.layers.RNN, inputs: tf.Tensor, states: States, added: tf.Tensor | None = None) -> tf.Tensor:
    """What a recurrent layer says at all steps; without a GPU, in less time than by itself.

    Args:
        layer: As for `once`.
        inputs: `[T, N, D]`, in the dtype that is computed in.
        states: The first ones, as for `once`.
        added: As for `once`, `[T, N, H]`.

    Returns:
        `[T, N, H]`.
    """
    if added is None and tf.config.list_physical_devices("GPU"):
        return tf.transpose(layer(tf.transpose(inputs, [1, 0, 2]), initial_state=list(states))[0], [1, 0, 2])
    kernel, of_x, offsets = _parts(layer.cell, inputs, added)
    recurrent = Deferred(kernel)
    given = {"offsets": recurrent.offsets(offsets)} | ({} if of_x is None else {"of_x": of_x})

    def step(states: Tensors, inputs: Tensors) -> tuple[Tensors, Tensors]:
        ordered = tuple(states[name] for name in sorted(states))
        found = _advanced(layer.cell, inputs.get("of_x"), tf.matmul(ordered[0], recurrent.held) + inputs["offsets"], ordered)
        return {str(number): state for number, state in enumerate(found)}, {"output": found[0]}

    found = loop(step, {str(number): state for number, state in enumerate(states)}, given, {"output": states[0]})["output"]
    recurrent.saw(tf.concat([states[0][None], found[:-1]], axis=0))
    return found


def _parts(cell: keras.layers.Layer, inputs: tf.Tensor, added: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor]:
    """The recurrent kernel; what the inputs add beside its products, of a GRU; and what is added to these themselves, `[..., K]`."""
    kernel, recurrent, bias = (tf.cast(tf.convert_to_tensor(each), inputs.dtype) for each in (cell.kernel, cell.recurrent_kernel, cell.bias))
    of_x = product(inputs, kernel)
    if isinstance(cell, keras.layers.GRUCell):
        return recurrent, of_x + bias[0], tf.zeros_like(of_x) + bias[1]
    return recurrent, None, of_x + bias if added is None else of_x + bias + added


def _advanced(cell: keras.layers.Layer, of_x: tf.Tensor | None, of_h: tf.Tensor, states: States) -> States:
    """The next states, of what the inputs and the output before add to the activations."""
    if isinstance(cell, keras.layers.LSTMCell):
        return lstm(of_h, states[1])
    return (tf.tanh(of_h),) if of_x is None else (gru(of_x, of_h, states[0]),)


def gru(of_x: tf.Tensor, of_h: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """One step of a GRU (Cho 2014), reset behind the product, as cuDNN has it.

    Args:
        of_x: What the inputs add, `[N, 3H]` in Keras' order: update, reset, candidate.
        of_h: What the output before adds, likewise.
        h: The output before, `[N, H]`.

    Returns:
        `[N, H]`.
    """
    update_x, reset_x, candidate_x = tf.split(of_x, 3, axis=-1)
    update_h, reset_h, candidate_h = tf.split(of_h, 3, axis=-1)
    update = tf.sigmoid(update_x + update_h)
    return update * h + (1 - update) * tf.tanh(candidate_x + tf.sigmoid(reset_x + reset_h) * candidate_h)


def length(x: tf.Tensor, axis: int) -> int | tf.Tensor:
    """The size of an axis: a plain number where it is known, else a scalar of the graph."""
    return tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis]


def product(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """`[..., D]` times `[D, K]` as one product of two matrices: `[..., K]`."""
    return tf.reshape(tf.matmul(_flat(x), weight), [*tf.unstack(tf.shape(x)[:-1]), weight.shape[-1]])
