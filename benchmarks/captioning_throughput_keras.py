"""Worker of `captioning_throughput.py`: the decoder as Keras' guides would write it under `keras.Model.fit`, and kvision's, in fp32 and bf16."""

from __future__ import annotations

import math
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from captioning_throughput_sizes import ATTENTION, BATCH, DECAY, EMBEDDING, FEATURES, PLACES, RATE, STEPS, UNITS, WORDS, check
from race import serve

from kvision.core.schema import OptimOptions
from kvision.engine import optim, precision, replica
from kvision.losses import captions
from kvision.systems.captioning._attention import AttentionDecoder

if TYPE_CHECKING:
    from collections.abc import Callable


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Features `[B, G, D]` and tokens `[B, T + 1]`, as good as any for timing."""
    random = np.random.default_rng(0)
    return random.normal(size=(BATCH, PLACES, FEATURES)).astype(np.float32), random.integers(4, WORDS, (BATCH, STEPS + 1)).astype(np.int32)


def ours(name: str) -> Callable[[int], None]:
    """Steps of kvision's decoder and optimizer."""
    precision.set_policy(name)
    features, tokens = map(tf.constant, batch())
    seen = keras.Input((PLACES, FEATURES))
    keys = keras.Model(seen, keras.layers.Dense(ATTENTION)(seen))
    decoder = AttentionDecoder(size=WORDS, embedding=EMBEDDING, steps=STEPS, units=UNITS, attention=ATTENTION, grid=(7, 7))
    given = {"features": (None, PLACES, FEATURES), "keys": (None, PLACES, ATTENTION)}
    decoder.build(given)
    variables = [*keys.trainable_variables, *decoder.trainable_variables]
    check(sum(math.prod(variable.shape) for variable in variables))
    options = OptimOptions(name="adamw", lr=RATE, weight_decay=DECAY, schedule="constant")
    updates = optim.make(options, {"net": variables}, total_steps=10**6, batch=BATCH, step=replica.scalar(0, tf.int64, "step"))
    zeros = tf.zeros([BATCH, UNITS])

    def losses(part: dict[str, tf.Tensor]) -> tf.Tensor:
        states = {"features": part["features"], "keys": keys(part["features"]), "h": zeros, "c": zeros}
        logits = decoder.sequence(states, part["tokens"][:, :-1], training=True).logits
        return tf.reduce_mean(captions.cross_entropy(logits, tf.transpose(part["tokens"][:, 1:])), axis=0)

    @tf.function
    def run(steps: tf.Tensor) -> None:
        for _ in tf.range(steps):
            updates["net"].minimize(losses, {"features": features, "tokens": tokens})

    return lambda steps: run(tf.constant(steps))


@keras.saving.register_keras_serializable("benchmarks")
class AttentionCell(keras.layers.Layer):
    """Additive attention, gated, and an LSTM, one step at a time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state_size, self.output_size = [UNITS, UNITS], UNITS + FEATURES
        self.lstm, self.query = keras.layers.LSTMCell(UNITS), keras.layers.Dense(ATTENTION, use_bias=False)
        self.energy, self.gate = keras.layers.Dense(1, use_bias=False), keras.layers.Dense(1, activation="sigmoid")
        self.seen: tuple[Any, Any] = (None, None)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.lstm.build((None, EMBEDDING + FEATURES))
        self.query.build((None, UNITS))
        self.energy.build((None, ATTENTION))
        self.gate.build((None, UNITS))

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        """One step; the features and their keys are those of `seen`."""
        features, keys = self.seen
        alpha = keras.ops.softmax(self.energy(keras.ops.tanh(keys + self.query(states[0])[:, None])), axis=1)
        context = self.gate(states[0]) * keras.ops.sum(alpha * features, axis=1)
        output, states = self.lstm(keras.ops.concatenate([inputs, context], axis=-1), states)
        return keras.ops.concatenate([output, context], axis=-1), states


class Captioner(keras.Model):
    """The decoder around the cell."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.keys = keras.layers.Embedding(WORDS, EMBEDDING), keras.layers.Dense(ATTENTION)
        self.cell = AttentionCell()
        self.rnn = keras.layers.RNN(self.cell, return_sequences=True)
        self.deep = keras.layers.Dense(EMBEDDING, use_bias=False)
        self.output_layer = keras.layers.Dense(WORDS, dtype="float32")

    def call(self, inputs: tuple[Any, Any]) -> Any:
        """Features `[B, G, D]` and tokens `[B, T]` to logits `[B, T, V]`."""
        features, tokens = inputs
        features = keras.ops.cast(features, self.compute_dtype)
        self.cell.seen = (features, self.keys(features))
        embedded = self.tokens(tokens)
        return self.output_layer(keras.ops.tanh(embedded + self.deep(self.rnn(embedded))))


def fit(name: str) -> Callable[[int], None]:
    """Steps of `keras.Model.fit`."""
    precision.set_policy(name)
    features, tokens = batch()
    model = Captioner()
    model((features, tokens[:, :-1]))
    check(model.count_params())
    model.compile(keras.optimizers.AdamW(RATE, weight_decay=DECAY), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = tf.data.Dataset.from_tensors(((features, tokens[:, :-1]), tokens[:, 1:])).repeat()
    return lambda steps: model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("BENCHMARK_THREADS", 0)))
    serve({f"{name} {kind}": make(kind) for name, make in {"keras fit": fit, "kvision": ours}.items() for kind in ("fp32", "bf16")})
