"""Which of an example's sentences a training step sees, where it has more than that."""

from __future__ import annotations

import tensorflow as tf

from kvision.data.text.vocabulary import START

STREAM = 1_000_037
"""Keeps these draws apart from all others."""
_ROUNDS = 4
FIELDS = frozenset({"captions", "tokens"})
Fields = dict[str, tf.Tensor]


def draw(example: Fields, most: int, seed: int, epoch: tf.Tensor, index: tf.Tensor) -> Fields:
    """The example with `most` of its sentences, each at most once: a pure function of its arguments.

    Args:
        example: `captions` string `[R]` or `tokens` int32 `[R, L + 2]` or both, those that the example has not at the end; other fields pass.
        most: How many.
        seed: Seed of the run.
        epoch: Number of the epoch, int64 scalar.
        index: Number of the example, int64 scalar. With int64 `[b]`, and an epoch for each, all fields have b in front.

    Returns:
        The fields, R at most `most`. An example with no more sentences than that keeps all of them in their order.
    """
    rank = index.shape.rank
    present = example["tokens"][..., 0] == START if "tokens" in example else example["captions"] != ""
    if present.shape[-1] <= most:
        return example
    count = tf.reduce_sum(tf.cast(present, tf.int64), -1)
    slots = tf.range(most, dtype=tf.int64)
    wide = tf.broadcast_to(count[..., None], tf.concat([tf.shape(count), [most]], 0))
    slot, end = tf.zeros_like(wide) + slots, tf.maximum(wide, most) - 1
    seeds = tf.stack([tf.zeros_like(wide) + seed + STREAM, tf.zeros_like(wide) + epoch[..., None], tf.zeros_like(wide) + index[..., None]], -1)
    # The public function takes no vector of seeds.
    drawn = tf.raw_ops.RandomIndexShuffle(
        index=tf.reshape(slot, [-1]), seed=tf.reshape(seeds, [-1, 3]), max_index=tf.reshape(end, [-1]), rounds=_ROUNDS
    )
    chosen = tf.where(wide > most, tf.reshape(drawn, tf.shape(wide)), slot)
    chosen = tf.ensure_shape(chosen, [*count.shape, most])
    return {name: tf.gather(value, chosen, batch_dims=rank) if name in FIELDS else value for name, value in example.items()}
