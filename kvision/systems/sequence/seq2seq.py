"""An encoder reads a sequence, a decoder writes another one and looks at what was read: translation and its like, with attention or without.

Paper: Sutskever, Vinyals and Le 2014, arXiv 1409.3215; Bahdanau, Cho and Bengio 2015, arXiv 1409.0473; Luong and others 2015, arXiv 1508.04025.
Deviations: one layer each; the output layer has no maxout; the encoder reads in both directions also for `luong` and `none`.
Shapes: `source` and `target` int32 `[B, L + 2]`, V pieces in the vocabulary, W width; `encode` reads `source`, `step` takes `token` int32 `[B]`, what
`encode` gave, and its own states `[B, W]`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core.schema import Section
from kvision.engine.system import Batch, Monitor, System
from kvision.metrics import perplexity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.engine.optim import Update
    from kvision.ops.decoding import Rules


class Seq2SeqOptions(Section):
    """Size and make of the networks, and how answers are found."""

    cell: Literal["rnn", "gru", "lstm"] = Field("gru", description="What the recurrent layers are made of.")
    width: int = Field(128, ge=1, le=8192, description="Values of a layer's state.")
    embedding: int = Field(64, ge=1, le=8192, description="Values that stand for a piece.")
    attention: Literal["additive", "luong", "none"] = Field("additive", description="How the decoder looks at what was read.")
    beam: int = Field(1, ge=1, le=64, description="Sequences that the search keeps; 1: greedy.")
    length_alpha: float = Field(0.0, ge=0.0, le=5.0, description="Log-probabilities are divided by length ** length_alpha before they are compared.")


class Seq2Seq(System):
    """One sequence from another."""

    Options = Seq2SeqOptions
    Loss = Section
    fields: ClassVar[frozenset[str]] = frozenset({"source", "target"})
    given = "source"
    monitor = Monitor("exact_match", "max")
    task = "sequence"
    decision = "tokens"
    device_format = "tflite-dynamic"

    def build(self) -> dict[str, keras.Model]:
        """`encode`: tokens int32 `[B, L + 2]` to what the decoder needs; `step`: `token` int32 `[B]` and that to `logits` `[B, V]` and new states."""
        import keras

        from kvision.data.text.texts import required
        from kvision.systems.sequence._attention import Decoder, Encoder

        options: Seq2SeqOptions = self.recipe.model  # type: ignore[assignment]
        self._texts = required(self.info, self.recipe.data.source)
        sizes = self._texts.vocabulary.size, options.embedding, options.cell, options.width, options.attention
        self._encoder, self._decoder = Encoder(*sizes, name="encoder"), Decoder(*sizes, name="decoder")
        source, token = keras.Input([self._texts.length + 2], dtype="int32", name="source"), keras.Input([], dtype="int32", name="token")
        encoded = self._encoder(source)
        known = {name: keras.Input(value.shape[1:], name=name) for name, value in encoded.items()}
        self._own = {
            "encode": keras.Model(source, encoded, name="encode"),
            "step": keras.Model({"token": token, **known}, self._decoder(token, known), name="step"),
        }
        return dict(self._own)

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for both networks."""
        return {"both": [variable for net in self.networks.values() for variable in net.trainable_variables]}

    def signatures(self) -> dict[str, str]:
        """Both networks, by their roles."""
        return {"encode": "encode", "step": "step"}

    def expected_initial_loss(self) -> float:
        """As of V equally likely pieces."""
        return math.log(self._texts.vocabulary.size)

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Teacher forcing: the mean over all pieces of the global batch but padding."""
        import tensorflow as tf

        from kvision.engine import global_mean

        count = global_mean.sums(batch["weight"], pieces=_counts(batch["target"]))["pieces"]
        scale = global_mean.scale(count, self.recipe.data.batch)

        def losses(part: Batch) -> tf.Tensor:
            return scale * tf.reduce_sum(self._nll(part), axis=1)

        return {"loss": updates["both"].minimize(losses, batch)}

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The loss where each piece is given, and whether the answer that is found without is the target."""
        import tensorflow as tf

        from kvision.engine import global_mean

        counts, nll = _counts(batch["target"]), self._nll(batch)
        right = tf.cast(tf.reduce_all(tf.equal(self.predict_step(batch["source"])["tokens"], batch["target"][:, 1:]), axis=1), tf.float32)
        sums = global_mean.sums(batch["weight"], nll=nll, tokens=counts, right=right, count=tf.ones_like(right))
        return sums, {"worst": right - tf.reduce_sum(nll, axis=1) / tf.reduce_sum(counts, axis=1)}

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean loss of a piece, perplexity, and the share of examples whose answer is the target, piece for piece to its end."""
        return {"loss": float(sums["nll"] / sums["tokens"]), **perplexity.metrics(sums), "exact_match": float(sums["right"] / sums["count"])}

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answers to `source` int32 `[B, L + 2]`: `tokens` int32 `[B, L + 1]` with the end; with attention `alpha` `[B, L + 1, L + 2]`."""
        from kvision.ops import decoding

        encode, step = self.networks["encode"], self.networks["step"]

        def forward(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            said = dict(step({"token": token, **states}, training=False))
            return said.pop("logits"), said

        found = decoding.search(forward, encode(image, training=False), self._rules)
        extras = {name: values[:, 0] for name, values in found.extras.items()}
        return {"tokens": found.tokens[:, 0], "log_probability": found.log_probability[:, 0], **extras}

    def decoding(self) -> dict[str, Any]:
        """How a device finds the same answers."""
        import dataclasses

        return dataclasses.asdict(self._rules)

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """What was read, the answer, and the target if it is another one; below, where the decoder looked."""
        from kvision.systems.sequence import _picture

        decode = self._texts.vocabulary.decode
        answer = decode(output["tokens"])
        target = None if truth is None else decode(truth["target"])
        parts = [("read", decode(image), _picture.INK), ("written", answer, _picture.GREEN if target in (None, answer) else _picture.RED)]
        if target not in (None, answer):
            parts.append(("right", str(target), _picture.GREEN))
        page = _picture.page(parts)
        return page if "alpha" not in output else _picture.with_attention(page, output["alpha"], self._texts.vocabulary, image, output["tokens"])

    @property
    def _rules(self) -> Rules:
        from kvision.data.text.vocabulary import END, START, UNKNOWN
        from kvision.ops.decoding import Rules

        options: Seq2SeqOptions = self.recipe.model  # type: ignore[assignment]
        return Rules(START, END, self._texts.length, beam=options.beam, length_alpha=options.length_alpha, forbidden=(UNKNOWN,))

    def _nll(self, batch: Batch) -> tf.Tensor:
        """Negative log-likelihood of each piece of the target, nats `[b, L + 1]`, 0 of padding.

        Exported files in the networks' places are called for each token; the networks' own layers go over the whole sequence, which is the same.
        """
        import tensorflow as tf

        tokens, targets = batch["target"][:, :-1], batch["target"][:, 1:]
        if self.networks == self._own:
            logits = self._decoder.sequence(tokens, self._encoder.sequence(batch["source"]))
        else:
            known, said = dict(self.networks["encode"](batch["source"], training=False)), []
            for place in range(tokens.shape[1]):
                step = dict(self.networks["step"]({"token": tokens[:, place], **known}, training=False))
                said.append(step.pop("logits"))
                known |= {name: value for name, value in step.items() if name in known}
            logits = tf.stack(said, axis=1)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32)) * _counts(batch["target"])


def _counts(target: tf.Tensor) -> tf.Tensor:
    """1 for each piece that is to be said, 0 for padding, float32 `[b, L + 1]`."""
    import tensorflow as tf

    return tf.cast(tf.not_equal(target[:, 1:], 0), tf.float32)
