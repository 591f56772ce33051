"""A recurrent network that tells each piece of a text from those before it, and writes on: vanilla RNN, GRU or LSTM, in one or more layers.

Paper: Sutskever, Martens and Hinton 2011, Generating Text with Recurrent Neural Networks, ICML; Graves 2013, arXiv 1308.0850.
Deviations: the cells are Keras' (GRU with the reset gate after the product, which fused kernels need), not the multiplicative RNN of 2011.
Shapes: `text` int32 `[B, T + 1]`, V pieces in the vocabulary, W width; the network `step` takes `token` int32 `[B]` and states `[B, W]`.

Backpropagation through time is truncated: the gradient goes back through the T pieces of a window, the state through all windows that the same place
of the batch has read one after the other (`data.order: lanes`).
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

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable


class CharRNNOptions(Section):
    """Size and make of the network, and what it writes for the report."""

    cell: Literal["rnn", "gru", "lstm"] = Field("lstm", description="What a recurrent layer is made of.")
    width: int = Field(256, ge=1, le=8192, description="Values of a layer's state.")
    depth: int = Field(1, ge=1, le=16, description="Recurrent layers, one above the other.")
    embedding: int = Field(64, ge=1, le=8192, description="Values that stand for a piece.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the values that is dropped between two layers in training.")
    prompt: int = Field(32, ge=1, le=4096, description="Pieces of a validation text that it reads before it writes on.")
    sample: int = Field(200, ge=1, le=4096, description="Pieces that it writes.")
    temperature: float = Field(0.7, ge=0.0, le=10.0, description="Pieces are drawn with logits divided by it; 0: always the likeliest one.")


class CharRNN(System):
    """Language modelling on windows of text; of pieces that are characters, bits per piece are bits per character."""

    Options = CharRNNOptions
    Loss = Section
    fields: ClassVar[frozenset[str]] = frozenset({"text"})
    given = "text"
    monitor = Monitor("bits_per_piece", "min")
    task = "sequence"
    device_format = "tflite-dynamic"

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Micro-batches, through which no state can be handed on."""
        count = recipe.optim.accumulate
        fault = f"{count} micro-batches can't hand on the state of each place of the batch; use 1 and a smaller data.batch"
        return [("optim.accumulate", fault)] if count > 1 else []

    def build(self) -> dict[str, keras.Model]:
        """The network `step`: a token int32 `[B]` and states `[B, W]` to float32 `logits` `[B, V]` of the next and the new states."""
        import keras

        from kvision.data.text.texts import required
        from kvision.layers.recurrent_stack import Recurrent
        from kvision.systems.sequence._memory import Memory

        options: CharRNNOptions = self.recipe.model  # type: ignore[assignment]
        self._texts = required(self.info, self.recipe.data.source)
        self._embed = keras.layers.Embedding(self._texts.vocabulary.size, options.embedding, name="embed")
        self._recurrent = Recurrent(options.cell, options.width, options.depth, options.dropout, name="recurrent")
        self._logits = keras.layers.Dense(self._texts.vocabulary.size, dtype="float32", name="logits")
        self._memory = Memory(self.recipe.data.batch, dict.fromkeys(self._recurrent.state_names, options.width))
        token, states = keras.Input([], dtype="int32", name="token"), self._recurrent.inputs()
        x, after = self._recurrent(self._embed(token), states)
        self._step = keras.Model({"token": token, **states}, {"logits": self._logits(x), **after}, name="step")
        return {"step": self._step}

    def carried(self) -> dict[str, AnyVariable]:
        """The states after the last window of each place of the batch, and which window would follow."""
        return dict(self._memory.variables)

    def signatures(self) -> dict[str, str]:
        """`step`, under its own name."""
        return {"step": "step"}

    def expected_initial_loss(self) -> float:
        """As of V equally likely pieces."""
        return math.log(self._texts.vocabulary.size)

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Goes on from the states that the last step left, and leaves its own."""
        states, after = self._memory.read(batch["index"]), {}

        def losses(part: Batch) -> tf.Tensor:
            import tensorflow as tf

            logits, left = self._over(part["text"][:, :-1], states, self._texts.length, training=True)
            after.update(left)
            return tf.reduce_mean(_nll(part["text"][:, 1:], logits), axis=1)

        loss = updates["step"].minimize(losses, batch)
        self._memory.write(batch["index"], after)
        return {"loss": loss}

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Negative log-likelihood and right guesses of the last T pieces; those before them are read only."""
        import tensorflow as tf

        from kvision.engine import global_mean

        targets = batch["text"][:, -self._texts.length :]
        states = self._recurrent.zeros(tf.shape(targets)[0])
        logits, _ = self._over(batch["text"][:, :-1], states, self._texts.length)
        nll = _nll(targets, logits)
        right = tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), targets), tf.float32)
        sums = global_mean.sums(batch["weight"], nll=nll, right=right, tokens=tf.ones_like(nll))
        return sums, {"worst": -tf.reduce_mean(nll, axis=1)}

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean loss in nats and in bits, perplexity, and the share of pieces that were the likeliest one."""
        loss = float(sums["nll"] / sums["tokens"])
        return {
            "loss": loss,
            "bits_per_piece": loss / math.log(2),
            **perplexity.metrics(sums),
            "accuracy": float(sums["right"] / sums["tokens"]),
        }

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """`tokens` int32 `[B, prompt + sample + 1]`: the first pieces of texts `[B, ...]`, and how the network writes on."""
        import tensorflow as tf

        from kvision.data.text.vocabulary import END, START, UNKNOWN
        from kvision.ops import decoding

        options: CharRNNOptions = self.recipe.model  # type: ignore[assignment]
        prompt = image[:, : options.prompt]
        states = self._recurrent.zeros(tf.shape(prompt)[0])
        for place in range(prompt.shape[1] - 1):
            states = self._without_logits(self.net({"token": prompt[:, place], **states}, training=False))
        last = prompt[:, -1]

        def step(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            begins = {name: value for name, value in states.items() if name != "last"}
            said = self.net({"token": tf.where(tf.equal(token, START), states["last"], token), **begins}, training=False)
            return said["logits"], self._without_logits(said)

        rules = decoding.Rules(
            start=START, end=END, max_length=options.sample, temperature=options.temperature, seed=self.recipe.train.seed, forbidden=(UNKNOWN,)
        )
        written = decoding.search(step, {**states, "last": last}, rules)
        return {"tokens": tf.concat([prompt, written.tokens[:, 0]], axis=1), "log_probability": written.log_probability[:, 0]}

    def decoding(self) -> dict[str, Any]:
        """The step's output that says what comes next."""
        return {"step": "step", "output": "logits"}

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """What was read, what the network wrote, and what stands there."""
        from kvision.systems.sequence import _picture

        options: CharRNNOptions = self.recipe.model  # type: ignore[assignment]
        read = self._texts.vocabulary.decode(output["tokens"][: options.prompt])
        wrote = self._texts.vocabulary.decode(output["tokens"][options.prompt :])
        stands = self._texts.vocabulary.decode(image[options.prompt : options.prompt + options.sample])
        return _picture.page([("read", read, _picture.INK), ("written", wrote, _picture.GREEN), ("as it goes on", stands, _picture.GREY)])

    def _over(
        self, tokens: tf.Tensor, states: Mapping[str, tf.Tensor], last: int, *, training: bool = False
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Logits `[b, last, V]` after each of the last tokens, and the states after all of them, of tokens `[b, T]`.

        An exported `step` in the network's place is called for each token; the network's own layers go over the whole sequence, which is the same.
        """
        import tensorflow as tf

        if self.net is self._step:
            x, after = self._recurrent.sequence(self._embed(tokens), states, training=training)
            return self._logits(x[:, -last:]), after
        logits, after = [], dict(states)
        for place in range(tokens.shape[1]):
            said = self.net({"token": tokens[:, place], **after}, training=False)
            logits.append(said["logits"])
            after = self._without_logits(said)
        return tf.stack(logits[-last:], axis=1), after

    @staticmethod
    def _without_logits(said: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: value for name, value in said.items() if name != "logits"}


def _nll(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Negative log-likelihood, nats `[b, T]`."""
    import tensorflow as tf

    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))
