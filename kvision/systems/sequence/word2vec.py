"""Vectors of words, such that words with the same neighbours are near: skip-gram or CBOW, by negative sampling or hierarchical softmax.

Paper: Mikolov, Chen, Corrado and Dean 2013, arXiv 1301.3781; Mikolov, Sutskever, Chen, Corrado and Dean 2013, arXiv 1310.4546.
Deviations: words that subsampling drops leave a gap, the window is not widened over it; the noise words of a word are shared by its neighbours; the
output vectors begin small and random, not at zero; CBOW takes the mean of its neighbours.
Shapes: `text` int32 `[B, N]`, V words, D width; the network `vectors` gives `[B, N, D]`.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from kvision.core.schema import Section
from kvision.engine.system import Batch, Monitor, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf
    from PIL import Image

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.systems.sequence._huffman import Paths

NEAREST = 8
"""Words shown beside each."""


class Word2VecOptions(Section):
    """How vectors are learnt."""

    architecture: Literal["skip_gram", "cbow"] = Field("skip_gram", description="Neighbours from a word, or a word from its neighbours.")
    objective: Literal["negative", "hierarchical"] = Field("negative", description="Against drawn words, or by the turns of Huffman's tree.")
    width: int = Field(100, ge=1, le=4096, description="Values of a vector.")
    window: int = Field(5, ge=1, le=100, description="Most words to each side that are neighbours; for each word, as many or fewer are drawn.")
    negatives: int = Field(5, ge=1, le=100, description="`negative`: words drawn against each.")
    power: float = Field(0.75, ge=0.0, le=1.0, description="`negative`: words are drawn by their frequency to this power.")
    subsample: float = Field(
        1e-3, ge=0.0, le=1.0, description="Words more frequent than this are left out at random, the more the likelier; 0: none."
    )


class Word2Vec(System):
    """Word vectors from windows of text; nothing random but what follows from seed, step and window."""

    Options = Word2VecOptions
    Loss = Section
    fields: ClassVar[frozenset[str]] = frozenset({"text"})
    given = "text"
    monitor = Monitor("loss", "min")
    task = "sequence"
    decision = "nearest"
    device_format = "tflite-dynamic"
    exempt: ClassVar[Mapping[str, str]] = {"overfits": "which words are drawn and kept is another each step, and no word has but one neighbour"}

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """A context, of which this system has no use."""
        context = getattr(recipe.data, "context", 0)
        return [("data.context", f"{context} pieces before a window are of no use to word vectors; use 0")] if context else []

    def build(self) -> dict[str, keras.Model]:
        """`vectors`: words int32 `[B, N]` to their vectors `[B, N, D]`; `outputs`: those of words or turns that are told from them."""
        import keras
        import tensorflow as tf

        from kvision.data.text.texts import required
        from kvision.engine import replica
        from kvision.systems.sequence import _huffman

        self._texts = required(self.info, self.recipe.data.source)
        options, size, length = self._options, self._texts.vocabulary.size, self._texts.length + 1
        self._steps = replica.scalar(0, tf.int64, "steps")
        self._paths = _huffman.paths(self._counts) if options.objective == "hierarchical" else None
        spread = keras.initializers.RandomUniform(-0.5 / options.width, 0.5 / options.width, seed=self.recipe.train.seed)
        text, number = keras.Input([length], dtype="int32", name="text"), keras.Input([length], dtype="int32", name="number")
        vectors = keras.layers.Embedding(size, options.width, spread, dtype="float32", name="vectors")
        self._outputs = keras.layers.Embedding(size, options.width, spread, dtype="float32", name="outputs")
        return {
            "vectors": keras.Model(text, vectors(text), name="vectors"),
            "outputs": keras.Model(number, self._outputs(number), name="outputs"),
        }

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for both tables."""
        return {"both": [variable for net in self.networks.values() for variable in net.trainable_variables]}

    def carried(self) -> dict[str, AnyVariable]:
        """How many steps were taken, which what is drawn follows from."""
        return {"steps": self._steps}

    def expected_initial_loss(self) -> float:
        """As of coins: one for a word and each drawn against it, or one for each turn to it."""
        if self._paths is None:
            return (1 + self._options.negatives) * math.log(2)
        return float(np.average(np.abs(self._paths.signs).sum(1), weights=self._counts)) * math.log(2)

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """The mean loss of all pairs of the global batch."""
        from kvision.engine import global_mean, replica

        step = self._steps + 0
        _, pairs, _ = self._told(batch, step)
        scale = global_mean.scale(global_mean.sums(batch["weight"], pairs=pairs)["pairs"], self.recipe.data.batch)
        loss = updates["both"].minimize(lambda part: scale * self._told(part, step)[0], batch)
        replica.assign_add(self._steps, 1)
        return {"loss": loss}

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The same with draws that are the same each time, and how often a word beats the first that is drawn against it."""
        import tensorflow as tf

        from kvision.engine import global_mean

        losses, pairs, wins = self._told(batch, tf.constant(-1, tf.int64))
        sums = global_mean.sums(batch["weight"], loss=losses, pairs=pairs, wins=wins)
        return sums, {"worst": -tf.math.divide_no_nan(losses, pairs)}

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean loss of a pair; by negative sampling the share of words that beat a drawn one (random vectors: 0.5), else perplexity of a word."""
        pairs = float(sums["pairs"])
        loss = float(sums["loss"]) / pairs if pairs else math.nan
        if self._paths is None:
            return {"loss": loss, "beats_noise": float(sums["wins"]) / pairs if pairs else math.nan}
        return {"loss": loss, "perplexity": math.exp(loss)}

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Of the word in the middle of texts int32 `[B, N]`: `word` int32 `[B]`, `nearest` int32 `[B, 8]` by cosine, and their `similarity`."""
        import tensorflow as tf

        from kvision.data.text.vocabulary import SPECIAL

        size, length = self._texts.vocabulary.size, self._texts.length + 1
        rows = -(-size // length)
        every = tf.reshape(tf.minimum(tf.range(rows * length), size - 1), [rows, length])
        table = tf.math.l2_normalize(tf.reshape(self.net(every, training=False), [rows * length, -1])[:size], axis=1)
        middle = image[:, length // 2]
        mine = tf.math.l2_normalize(self.net(image, training=False)[:, length // 2], axis=1)
        own = tf.one_hot(middle, size) + tf.cast(tf.range(size) < len(SPECIAL), tf.float32)
        similarity, nearest = tf.math.top_k(tf.matmul(mine, table, transpose_b=True) - 4.0 * own, min(NEAREST, size))
        return {"word": middle, "nearest": nearest, "similarity": similarity}

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """The word, the nearest ones, and the text it stands in."""
        from kvision.systems.sequence import _picture

        tokens = self._texts.vocabulary.tokens
        listed = "\n".join(f"{tokens[number]} {value:.2f}" for number, value in zip(output["nearest"], output["similarity"], strict=True))
        word, text = tokens[int(output["word"])], self._texts.vocabulary.decode(image)
        return _picture.page([("word", word, _picture.INK), ("nearest", listed, _picture.GREEN), ("in", text, _picture.GREY)])

    @property
    def _options(self) -> Word2VecOptions:
        return self.recipe.model  # type: ignore[return-value]

    @functools.cached_property
    def _counts(self) -> np.ndarray:
        """How often each word comes in the training text, int64 `[V]`; special ones not at all, and each other once where the text is not there."""
        from kvision.data.text.vocabulary import SPECIAL

        vocabulary = self._texts.vocabulary
        numbers = [number for each in self._texts.training for sentence in each for number in vocabulary.encode(sentence)]
        counts = np.maximum(np.bincount(numbers, minlength=vocabulary.size), 1).astype(np.int64)
        counts[: len(SPECIAL)] = 0
        return counts

    @functools.cached_property
    def _kept(self) -> np.ndarray:
        """With which probability a word is kept, float32 `[V]`: sqrt(t / f), at most 1 (arXiv 1310.4546, eq. 5); special ones never."""
        share = self._counts / self._counts.sum()
        limit = self._options.subsample
        kept = np.ones_like(share) if limit == 0 else np.sqrt(limit / np.maximum(share, limit))
        return np.where(self._counts > 0, kept, 0.0).astype(np.float32)

    @functools.cached_property
    def _noise(self) -> np.ndarray:
        """Cumulated probabilities of the words that are drawn, float32 `[V]`."""
        weights = np.where(self._counts > 0, self._counts.astype(np.float64) ** self._options.power, 0.0)
        return np.cumsum(weights / weights.sum()).astype(np.float32)

    def _told(self, batch: Batch, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Of each example the summed loss, the number of pairs, and how many words beat one that was drawn, all float32 `[b]`."""
        import tensorflow as tf

        text, window = batch["text"], self._options.window
        kept, reach, drawn = self._drawn(text, batch["index"], step)
        offsets = [offset for offset in range(-window, window + 1) if offset]
        near = _beside(text, offsets)
        valid = _beside(kept, offsets) & kept[..., None] & (tf.abs(tf.constant(offsets)) <= reach[..., None])
        counted = tf.cast(valid, tf.float32)
        if self._options.architecture == "cbow":
            around = tf.reduce_sum(self._all(near) * counted[..., None], 2) / tf.maximum(tf.reduce_sum(counted, 2), 1.0)[..., None]
            near, counted = text[..., None], tf.cast(tf.reduce_any(valid, 2, keepdims=True), tf.float32)
        else:
            around = self.net(text)
        losses, wins = self._negative(around, near, drawn) if self._paths is None else self._hierarchical(around, near, self._paths)
        return tuple(tf.reduce_sum(values * counted, [1, 2]) for values in (losses, tf.ones_like(losses), wins))

    def _all(self, words: tf.Tensor) -> tf.Tensor:
        """Vectors `[b, N, O, D]` of words `[b, N, O]`."""
        import tensorflow as tf

        return tf.stack([self.net(words[..., place]) for place in range(words.shape[-1])], axis=2)

    def _negative(self, around: tf.Tensor, near: tf.Tensor, drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Losses and wins `[b, N, O]` of words `[b, N, O]` against drawn ones `[b, N, k]`, from vectors `[b, N, D]` (arXiv 1310.4546, eq. 4)."""
        import tensorflow as tf

        told = tf.einsum("bnd,bnod->bno", around, self._outputs(near))
        against = tf.einsum("bnd,bnkd->bnk", around, self._outputs(drawn))
        losses = tf.nn.softplus(-told) + tf.reduce_sum(tf.nn.softplus(against), 2, keepdims=True)
        first = against[..., :1]
        return losses, tf.cast(told > first, tf.float32) + 0.5 * tf.cast(tf.equal(told, first), tf.float32)

    def _hierarchical(self, around: tf.Tensor, near: tf.Tensor, paths: Paths) -> tuple[tf.Tensor, tf.Tensor]:
        """Negative log-probabilities `[b, N, O]` of words `[b, N, O]`, from vectors `[b, N, D]` (arXiv 1310.4546, eq. 3); there are no wins."""
        import tensorflow as tf

        nodes, signs = tf.gather(tf.constant(paths.nodes), near), tf.gather(tf.constant(paths.signs), near)
        turns = tf.einsum("bnd,bnotd->bnot", around, self._outputs(nodes))
        losses = tf.reduce_sum(tf.nn.softplus(-signs * turns) * tf.abs(signs), 3)
        return losses, tf.zeros_like(losses)

    def _drawn(self, text: tf.Tensor, index: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Which words are kept, bool `[b, N]`; how far each looks, int32 `[b, N]`; words drawn against each, int32 `[b, N, k]`."""
        import tensorflow as tf

        from kvision.ops.threefry import threefry

        count, length = self._options.negatives, text.shape[1]
        places = tf.range(length * (2 + count))[None]
        key = tf.constant(self.recipe.train.seed, tf.uint32), tf.cast(step, tf.uint32)
        words, _ = threefry(key, (tf.cast(index, tf.uint32)[:, None], tf.cast(places, tf.uint32)))
        uniform = tf.cast(tf.bitwise.right_shift(words, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
        uniform = tf.reshape(uniform, [-1, length, 2 + count])
        kept = uniform[..., 0] < tf.gather(tf.constant(self._kept), text)
        reach = 1 + tf.cast(uniform[..., 1] * self._options.window, tf.int32)
        drawn = tf.searchsorted(tf.constant(self._noise), tf.reshape(uniform[..., 2:], [-1]), side="right")
        return kept, reach, tf.reshape(tf.minimum(drawn, self._texts.vocabulary.size - 1), [-1, length, count])


def _beside(values: tf.Tensor, offsets: list[int]) -> tf.Tensor:
    """The values `[b, N, O]` at each offset from each place of `[b, N]`; 0 beyond the ends."""
    import tensorflow as tf

    most, length = max(offsets), values.shape[1]
    padded = tf.pad(values, [[0, 0], [most, most]])
    return tf.stack([padded[:, most + offset : most + offset + length] for offset in offsets], axis=2)
