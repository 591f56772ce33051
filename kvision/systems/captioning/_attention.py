"""An LSTM that looks at another part of the picture for each word.

Paper: Xu et al. 2015, arXiv 1502.03044; local attention: Luong et al. 2015, arXiv 1508.04025, section 3.2; a query of state and word: Sennrich et al.
2017, arXiv 1703.04357, section 3.2.
Deviations: those of `show_attend_tell`.
Shapes: N sentences, T steps, V numbers, G places of the grid with D features each, H units, A units of the attention, E numbers a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kvision.layers import additive, recurrence
from kvision.layers.additive import DeferredKeys
from kvision.layers.recurrence import Deferred
from kvision.ops import draws, dtypes
from kvision.systems.captioning._decoder import ALPHA, LOGITS, TOKEN, Decoder, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.layers.recurrence import Tensors

_TINY = 1e-20
"""Stands in for a probability of 0 in a logarithm."""


class _Held(NamedTuple):
    """What a step multiplies by, in the dtype that is computed in.

    Attributes:
        recurrent: `[H, 4H + A + 1 (+ 2)]`: of the output before, to the gates, the attention, its gate and the middle of its window.
        context: `[D, 4H]`, to the gates.
        features: `[N, G, D]`.
        energies: From what the attention asks with, `[N, A]`, to how much each place answers, `[N, G]`.
    """

    recurrent: tf.Tensor
    context: tf.Tensor
    features: tf.Tensor
    energies: Callable[[tf.Tensor], tf.Tensor]


@keras.saving.register_keras_serializable("kvision")
class AttentionDecoder(Decoder):
    """Additive attention, a gate on what it finds, an LSTM and a deep output.

    Args:
        units: H.
        attention: A.
        grid: Height and width of the grid, G places row by row.
        hard: Whether it looks at one place, drawn in training and else the most probable one, and not at the mean of all.
        window: Width, in places, of the window around a place that the network chooses, outside of which it hardly looks; 0: none.
        word: Whether the last word, too, decides where it looks, and not the state before that word alone.
        **kwargs: Of `Decoder`.
    """

    def __init__(
        self, *, units: int, attention: int, grid: tuple[int, int], hard: bool = False, window: float = 0.0, word: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.attention = attention
        self.grid = tuple(grid)
        self.hard = hard
        self.window = window
        self.word = word

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the weights."""
        features, units, embedding = int(input_shape["features"][-1] or 0), self.units, self.embedding
        aside = self.attention + 1 + (2 if self.window else 0)
        self.tokens = self.add_weight(shape=(self.size, embedding), initializer="uniform", name="tokens")
        self.kernel = self.add_weight(shape=(embedding, 4 * units), initializer="glorot_uniform", name="kernel")
        self.context_kernel = self.add_weight(shape=(features, 4 * units), initializer="glorot_uniform", name="context_kernel")
        self.recurrent_kernel = self.add_weight(shape=(units, 4 * units), initializer="orthogonal", name="recurrent_kernel")
        self.bias = self.add_weight(shape=(4 * units,), initializer=_remembering, name="bias")
        self.aside_kernel = self.add_weight(shape=(units, aside), initializer="glorot_uniform", name="aside_kernel")
        self.aside_bias = self.add_weight(shape=(aside - self.attention,), initializer="zeros", name="aside_bias")
        if self.word:
            self.word_kernel = self.add_weight(shape=(embedding, aside), initializer="glorot_uniform", name="word_kernel")
        self.energy = self.add_weight(shape=(self.attention, 1), initializer="glorot_uniform", name="energy")
        self.deep_kernel = self.add_weight(shape=(units + features, embedding), initializer="glorot_uniform", name="deep_kernel")
        self.output_kernel = self.add_weight(shape=(embedding, self.size), initializer="glorot_uniform", name="output_kernel")
        self.output_bias = self.add_weight(shape=(self.size,), initializer="zeros", name="output_bias")

    def call(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step, as `Decoder.call` says it; `h` and `c` are the states."""
        embedded = tf.gather(self.cast(self.tokens), inputs[TOKEN])
        keys, energy = self.cast(inputs["keys"]), self.cast(self.energy)
        held = self._held(inputs, lambda query: additive.energies(keys, query, energy))
        states = {"h": self.cast(inputs["h"]), "c": dtypes.widened(inputs["c"])}
        states, found = self._step(states, {"products": self._of_tokens(embedded)}, held)
        logits = self._logits(embedded, found["h"], found["context"], training=False)
        return {LOGITS: dtypes.widened(logits), ALPHA: found[ALPHA], "h": dtypes.widened(states["h"]), "c": states["c"]}

    def sequence(self, states: Mapping[str, tf.Tensor], tokens: tf.Tensor, *, training: bool = False) -> Said:
        """All steps, as `Decoder.sequence` says it."""
        count, steps = tf.shape(tokens)[0], recurrence.length(tokens, 1)
        embedded = self.drop_tokens(tf.gather(self.cast(self.tokens), tf.transpose(tokens)), training=training)
        keys = DeferredKeys(self.cast(states["keys"]), self.cast(self.energy))
        held = self._held(states, keys.energies)
        recurrent, context, features = Deferred(held.recurrent), Deferred(held.context), Deferred(held.features)
        gates, aside = tf.split(recurrent.offsets(self._of_tokens(embedded)), [4 * self.units, held.recurrent.shape[1] - 4 * self.units], axis=-1)
        look = features.offsets(tf.zeros([steps, count, held.features.shape[-1]], self.compute_dtype))
        energies = keys.offsets(dtypes.widened(tf.zeros([steps, count, held.features.shape[1]], self.compute_dtype)))
        given = {"products": tf.concat([context.offsets(gates), aside], -1), "look": look, "energies": energies}
        if self.hard and training:
            given["noise"] = tf.transpose(_gumbel(draws.along([count, steps, held.features.shape[1]], self.steps, self.draws)), [1, 0, 2])
        first = {"h": self.cast(states["h"]), "c": dtypes.widened(states["c"])}
        within = held._replace(recurrent=recurrent.held, context=context.held, features=features.held)
        place = held.features[..., 0]
        outputs = {"h": first["h"], "context": held.features[:, 0], "query": keys.held[:, 0], ALPHA: dtypes.widened(place), "places": place}
        found = recurrence.loop(lambda states, offsets: self._step(states, offsets, within), first, given, outputs)
        recurrent.saw(tf.concat([first["h"][None], found["h"][:-1]], axis=0))
        context.saw(found["context"])
        features.saw(found["places"])
        keys.saw(found["query"])
        logits = self._logits(embedded, found["h"], found["context"], training=training)
        return Said(logits, found[ALPHA], found["places"] if "noise" in given else None)

    def _step(self, states: Tensors, offsets: Tensors, held: _Held) -> tuple[Tensors, Tensors]:
        """One step (equations 1 to 5, 9 and 13): the next states; what the logits are made of, and where it looked."""
        products = tf.matmul(states["h"], held.recurrent) + offsets["products"]
        gates, query, opening, middle = tf.split(products, [4 * self.units, self.attention, 1, 2 if self.window else 0], axis=-1)
        alpha = tf.nn.softmax(held.energies(query) + offsets.get("energies", 0.0) + self._near(middle))
        places = tf.cast(self._places(alpha, offsets.get("noise")), held.features.dtype)
        looked = tf.squeeze(tf.matmul(places[:, None], held.features), 1)
        context = tf.sigmoid(opening + self.cast(self.aside_bias[:1])) * (looked + offsets["look"] if "look" in offsets else looked)
        h, c = recurrence.lstm(gates + tf.matmul(context, held.context), states["c"])
        return {"h": h, "c": c}, {"h": h, "context": context, "query": query, ALPHA: alpha, "places": places}

    def _places(self, alpha: tf.Tensor, noise: tf.Tensor | None) -> tf.Tensor:
        """How much each place counts `[N, G]`: as `alpha` says, or, of hard attention, one alone."""
        if not self.hard:
            return alpha
        best = tf.argmax(alpha if noise is None else tf.math.log(alpha + _TINY) + noise, axis=-1, output_type=tf.int32)
        return tf.one_hot(best, alpha.shape[-1], dtype=alpha.dtype)

    def _near(self, middle: tf.Tensor) -> tf.Tensor | float:
        """What the window adds to the energies `[N, G]`: the logarithm of a Gaussian around its middle (Luong 2015, equations 9 and 10)."""
        if not self.window:
            return 0.0
        sizes = np.array(self.grid, np.float32)
        cells = np.stack(np.meshgrid(*map(np.arange, self.grid), indexing="ij"), axis=-1).reshape(1, -1, 2).astype(np.float32)
        at = tf.sigmoid(dtypes.widened(middle + self.cast(self.aside_bias[1:]))) * (sizes - 1.0)
        deviation = self.window / 2.0
        return -tf.reduce_sum(tf.square(at[:, None] - cells), axis=-1) / (2.0 * deviation**2)

    def _held(self, states: Mapping[str, tf.Tensor], energies: Callable[[tf.Tensor], tf.Tensor]) -> _Held:
        recurrent = tf.concat([self.cast(self.recurrent_kernel), self.cast(self.aside_kernel)], axis=1)
        return _Held(recurrent, self.cast(self.context_kernel), self.cast(states["features"]), energies)

    def _of_tokens(self, embedded: tf.Tensor) -> tf.Tensor:
        """What the tokens `[..., E]` add to the products of a step: to the gates, and, if they decide where it looks, to what attention asks with."""
        gates = recurrence.product(embedded, self.cast(self.kernel)) + self.cast(self.bias)
        if self.word:
            return tf.concat([gates, recurrence.product(embedded, self.cast(self.word_kernel))], axis=-1)
        return tf.pad(gates, [*[[0, 0]] * (gates.shape.rank - 1), [0, self.aside_kernel.shape[1]]])

    def _logits(self, embedded: tf.Tensor, h: tf.Tensor, context: tf.Tensor, *, training: bool) -> tf.Tensor:
        """The deep output (equation 7), `[..., V]`."""
        deep = tf.tanh(embedded + recurrence.product(tf.concat([h, context], -1), self.cast(self.deep_kernel)))
        deep = self.drop_outputs(deep, training=training)
        return recurrence.product(deep, self.cast(self.output_kernel)) + self.cast(self.output_bias)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        names = ("units", "attention", "grid", "hard", "window", "word")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _remembering(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    """A first bias of the gates: 1 for the forget gate, else 0."""
    return tf.constant(np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4), dtype or tf.float32)


def _gumbel(uniform: tf.Tensor) -> tf.Tensor:
    """Noise by which the greatest of log-probabilities is a draw from them (Gumbel 1954), of numbers in [0, 1)."""
    return -tf.math.log(-tf.math.log(tf.maximum(uniform, _TINY)))
