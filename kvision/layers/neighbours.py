"""The k nearest of the examples that a layer remembers vote for a class; how k is chosen.

Paper: Cover & Hart 1967, Nearest neighbor pattern classification, IEEE Trans. Inf. Theory 13(1); Laplace's rule of succession for the shares.
Deviations: none.
Shapes: B queries, D numbers each, N examples, K classes, L largest k.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from kvision.core.schema import Chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

Metric = Literal["l1", "l2", "cosine"]
_AT_ONCE = 256
_FEW = 10
"""Queries that a device asks at once: a picture, or ten views of it."""


@keras.saving.register_keras_serializable("kvision")
class NearestNeighbours(keras.layers.Layer):
    """Float32 logits whose softmax is each class's share of the votes of the k nearest examples, one more vote being spread evenly over the classes.

    Of classes with equally many votes the first one is the answer, if that is taken by `argmax`. Of examples that are equally near, the first ones
    vote. Everything is non-trainable weights, k too, and set by `remember`; before that all examples are zeros, their classes in turn.

    Args:
        num_examples: N.
        num_classes: K.
        largest_k: The largest k that may be set, at most N.
        metric: `l2`: Euclidean distance; `l1`: sum of the absolute differences; `cosine`: angle.
        **kwargs: As for every Keras layer; `dtype` is float32 whatever the policy.
    """

    def __init__(self, num_examples: int, num_classes: int, largest_k: int, metric: Metric = "l2", **kwargs: Any) -> None:
        if not 1 <= largest_k <= num_examples:
            raise ValueError(f"largest_k: {largest_k} of {num_examples} examples; use 1 to {num_examples}")
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.num_examples = num_examples
        self.num_classes = num_classes
        self.largest_k = largest_k
        self.metric = metric

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `examples` `[N, D]`, `offsets` `[N]`, `labels` int32 `[N]` and `k` int32."""
        self.examples = self.add_weight(shape=(self.num_examples, input_shape[-1]), initializer="zeros", trainable=False, name="examples")
        self.offsets = self.add_weight(shape=(self.num_examples,), initializer="zeros", trainable=False, name="offsets")
        in_turn = np.arange(self.num_examples, dtype=np.int32) % self.num_classes
        self.labels = self.add_weight(
            shape=in_turn.shape, initializer=lambda shape, dtype: tf.constant(in_turn), dtype="int32", trainable=False, name="labels"
        )
        self.k = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.largest_k), dtype="int32", trainable=False, name="k")

    def remember(self, examples: np.ndarray, labels: np.ndarray, k: int) -> None:
        """Sets the examples and how many of them vote.

        Args:
            examples: `[N, D]`.
            labels: Their classes, integers `[N]`.
            k: 1 to `largest_k`.
        """
        if not 1 <= k <= self.largest_k:
            raise ValueError(f"k: {k}; use 1 to {self.largest_k}")
        kept, offsets = prepared(examples, self.metric)
        self.examples.assign(kept)
        self.offsets.assign(offsets)
        self.labels.assign(labels.astype(np.int32))
        self.k.assign(k)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, D]` to logits `[B, K]`."""
        near = closeness(inputs, tf.convert_to_tensor(self.examples), tf.convert_to_tensor(self.offsets), self.metric)
        labels = tf.gather(tf.convert_to_tensor(self.labels), nearest(near, self.largest_k))
        # Whole numbers from here to the last step, so that a quantized file counts exactly.
        k = tf.convert_to_tensor(self.k)
        heard = tf.cast(tf.range(self.largest_k) < k, tf.int32)[:, None]
        votes = tf.reduce_sum(heard * tf.one_hot(labels, self.num_classes, dtype=tf.int32), axis=1)
        shares = (tf.range(self.largest_k + 1, dtype=tf.float32) + 1.0 / self.num_classes) / (tf.cast(k, tf.float32) + 1.0)
        return tf.gather(tf.math.log(shares), votes)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[B, K]`."""
        return input_shape[0], self.num_classes

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = {"num_examples": self.num_examples, "num_classes": self.num_classes, "largest_k": self.largest_k, "metric": self.metric}
        return {**super().get_config(), **own}


def prepared(examples: np.ndarray, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Examples as `closeness` compares with them.

    Args:
        examples: `[N, D]`.
        metric: Which distance.

    Returns:
        `[N, D]`, for `cosine` of length 1; and what is added to each one's closeness, `[N]`; both float32.
    """
    squares = np.sum(np.square(examples, dtype=np.float64), axis=1)
    if metric == "cosine":
        return (examples / np.sqrt(np.maximum(squares, 1e-24))[:, None]).astype(np.float32), np.zeros(len(examples), np.float32)
    return examples.astype(np.float32), (-0.5 * squares if metric == "l2" else 0.0 * squares).astype(np.float32)


def closeness(queries: tf.Tensor, examples: tf.Tensor, offsets: tf.Tensor, metric: Metric) -> tf.Tensor:
    """How near each example is to each query, greater is nearer; comparable among the examples of one query only.

    Args:
        queries: `[B, D]`.
        examples: `[N, D]`, and
        offsets: `[N]`, as `prepared` gives them.
        metric: Which distance.

    Returns:
        `[B, N]`: for `l2` half of what the squared distance lacks to the query's own square, for `cosine` the cosine times the query's length, which
        are linear in the query; for `l1` the distance times -1.
    """
    if metric != "l1":
        return tf.matmul(queries, examples, transpose_b=True) + offsets

    def of_one(query: tf.Tensor) -> tf.Tensor:
        return -1.0 * tf.reduce_sum(tf.abs(query - examples), axis=1)

    # All queries at once would take B times the memory of the examples.
    return tf.stack([of_one(query) for query in tf.unstack(queries)]) if _are_few(queries) else tf.map_fn(of_one, queries)


def nearest(near: tf.Tensor, count: int) -> tf.Tensor:
    """Which examples are nearest; of equally near ones the first.

    Args:
        near: Closeness `[B, N]`.
        count: How many, L.

    Returns:
        Numbers of examples int32 `[B, L]`, nearest first.
    """
    if not _are_few(near):
        return tf.math.top_k(near, count).indices
    # For a device, where `top_k` has no quantized form. What was found is put below all others, by some steps of int8; where all are equal, a little.
    least = tf.reduce_min(near, axis=1, keepdims=True)
    below = least - (tf.reduce_max(near, axis=1, keepdims=True) - least) * (1 / 32) - (tf.abs(least) + 1.0) * 1e-6
    found = []
    for _ in range(count):
        found.append(tf.argmax(near, axis=1, output_type=tf.int32))
        near = tf.where(tf.one_hot(found[-1], near.shape[1], on_value=True, off_value=False, dtype=tf.bool), below, near)
    return tf.stack(found, axis=1)


def _are_few(queries: tf.Tensor) -> bool:
    """Whether it is known that there are as few queries as on a device."""
    return queries.shape[0] is not None and queries.shape[0] <= _FEW


def nearest_labels(examples: np.ndarray, labels: np.ndarray, queries: np.ndarray, count: int, metric: Metric) -> np.ndarray:
    """Classes of the examples that are nearest to each query.

    Args:
        examples: `[N, D]`.
        labels: Integers `[N]`.
        queries: `[M, D]`.
        count: How many, L.
        metric: Which distance.

    Returns:
        Integers `[M, L]`, nearest first.
    """
    kept, offsets = (tf.constant(each) for each in prepared(examples, metric))
    parts = [queries[start : start + _AT_ONCE].astype(np.float32) for start in range(0, len(queries), _AT_ONCE)]
    places = [nearest(closeness(tf.constant(part), kept, offsets, metric), count).numpy() for part in parts]
    return labels[np.concatenate(places)]


def accuracies(nearest: np.ndarray, truth: np.ndarray, candidates: Sequence[int]) -> dict[int, float]:
    """How many queries are answered right by the votes of the k nearest.

    Args:
        nearest: Classes of the nearest examples, nearest first, integers `[M, L]`.
        truth: The queries' own classes, integers `[M]`.
        candidates: Values of k, each at most L.

    Returns:
        Share of right answers, 0-1, of each k.
    """
    found, votes = {}, np.zeros((len(nearest), 1 + max(nearest.max(), truth.max())), np.int32)
    for rank, labels in enumerate(nearest.T, start=1):
        votes[np.arange(len(votes)), labels] += 1
        if rank in candidates:
            found[rank] = float(np.mean(votes.argmax(axis=1) == truth))
    return {k: found[k] for k in candidates}


def validated(
    examples: np.ndarray, labels: np.ndarray, queries: np.ndarray, truth: np.ndarray, candidates: Sequence[int], metric: Metric
) -> dict[int, float]:
    """`accuracies` of queries `[M, D]` with the classes `truth` `[M]` among examples `[N, D]` with the classes `labels` `[N]`."""
    return accuracies(nearest_labels(examples, labels, queries, max(candidates), metric), truth, candidates)


def cross_validated(examples: np.ndarray, labels: np.ndarray, fold: np.ndarray, candidates: Sequence[int], metric: Metric) -> dict[int, float]:
    """`accuracies` by cross-validation: the examples of each fold are asked of all others, and the mean over the folds is taken.

    Args:
        examples: `[N, D]`.
        labels: Integers `[N]`.
        fold: The fold of each example, integers `[N]`.
        candidates: Values of k, each at most the number of examples in all folds but the largest.
        metric: Which distance.

    Returns:
        Mean share of right answers, 0-1, of each k.
    """
    parts = [(examples[fold != number], labels[fold != number], examples[fold == number], labels[fold == number]) for number in np.unique(fold)]
    found = [validated(*part, candidates, metric) for part in parts]
    return {k: float(np.mean([each[k] for each in found])) for k in candidates}


def best(found: dict[int, float], of: str) -> Chosen:
    """The k of the highest accuracy, the smallest of several, and why: the accuracies of all; `of` names what they are."""
    tried = ", ".join(f"{k}: {accuracy:.4f}" for k, accuracy in found.items())
    return Chosen(f"best {of} ({tried})", min(found, key=lambda k: (-found[k], k)))
