"""Teacher forcing: the losses of references, all steps of all sentences at once; and references walked step by step.

Shapes: B images with R references, `tokens` int32 `[B, R, T + 1]`: start, text, end, padding; N = B R sentences of T steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.data.text.vocabulary import PAD
from kvision.engine import global_mean
from kvision.layers import recurrence
from kvision.losses import captions
from kvision.ops import draws
from kvision.systems.captioning._decoder import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.engine.system import Batch
    from kvision.layers.recurrence import Tensors
    from kvision.systems.captioning._part import Captioner


def scale(system: Captioner, tokens: tf.Tensor) -> tf.Tensor:
    """What an example's sum of losses is multiplied by, so that the mean over the examples is the mean over all tokens of the global batch.

    Args:
        system: Tells how many examples that has.
        tokens: Of this replica's part, `[b, R, T + 1]`.

    Returns:
        Float32 scalar, equal on all replicas.
    """
    return global_mean.scale(tf.reduce_sum(tf.cast(tokens[..., 1:] != PAD, tf.float32)), system.recipe.data.batch)


def losses(system: Captioner, batch: Batch, scale: tf.Tensor) -> tf.Tensor:
    """The loss of each example `[b]`: of the tokens of its references, and of where the network looked.

    Args:
        system: The captioner.
        batch: Some examples.
        scale: Of the sums of the tokens' losses.

    Returns:
        `[b]`, whose mean over the global batch is the loss.
    """
    loss, tokens = system.loss, batch["tokens"]
    sentences = _sentences(tokens)
    states = repeated(system.encode(batch["image"], training=True), tokens.shape[1])
    given = sentences[:, :-1]
    if loss.scheduled_sampling:
        given = tf.stop_gradient(_walk(system, states, sentences, loss.scheduled_sampling)[TOKEN])
    said = system.decoder.sequence(states, given, training=True)
    targets = tf.transpose(sentences[:, 1:])
    counted = tf.cast(targets != PAD, tf.float32)
    each = captions.cross_entropy(said.logits, targets, label_smoothing=loss.label_smoothing)
    each = system.extra_losses(said, each, counted)
    found = scale * _of_examples(tf.reduce_sum(each * counted, axis=0), tokens)
    if loss.doubly_stochastic and said.alpha is not None:
        real = tf.reduce_max(counted, axis=0)
        penalties = _of_examples(real * captions.doubly_stochastic(said.alpha, counted), tokens)
        found += loss.doubly_stochastic * tf.math.divide_no_nan(penalties, _of_examples(real, tokens))
    return found


def walk(system: Captioner, states: Mapping[str, tf.Tensor], tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The references' losses by the network `step` alone, which may be an exported function.

    Args:
        system: The captioner.
        states: What the encoder gave of each image.
        tokens: `[b, R, T + 1]`.

    Returns:
        Of each example `[b]`: minus the log-probability of its references, and how many tokens these have.
    """
    sentences = _sentences(tokens)
    found = _walk(system, repeated(states, tokens.shape[1]), sentences)["losses"]
    counted = tf.cast(sentences[:, 1:] != PAD, tf.float32)
    return _of_examples(tf.reduce_sum(found * counted, axis=1), tokens), _of_examples(tf.reduce_sum(counted, axis=1), tokens)


def repeated(states: Mapping[str, tf.Tensor], count: int) -> Tensors:
    """States of images `[B, ...]` for `count` sentences each, `[B count, ...]`."""
    return {name: tf.repeat(value, count, axis=0) for name, value in states.items()}


def _walk(system: Captioner, states: Tensors, sentences: tf.Tensor, own: float = 0.0) -> Tensors:
    """Goes along sentences `[N, T + 1]` step by step.

    Args:
        system: The captioner.
        states: First ones, `[N, ...]`.
        sentences: The references.
        own: Share of the tokens that the network is given which it drew itself.

    Returns:
        `token` int32 `[N, T]`, those that it was given; `losses` `[N, T]`, of those that the references have next.
    """
    count, steps = tf.shape(sentences)[0], recurrence.length(sentences, 1) - 1
    inputs = {"target": tf.transpose(sentences[:, 1:])}
    if own:
        chance, inputs["chance"] = (tf.transpose(draws.along([count, steps], system.steps, system.decoder.draws)) for _ in range(2))
        inputs["is_own"] = chance < own
    constant = {name: value for name, value in states.items() if name not in system.changing}

    def body(states: Tensors, inputs: Tensors) -> tuple[Tensors, Tensors]:
        token = states.pop(TOKEN)
        logits, found = system.step(token, {**constant, **states})
        target = inputs["target"]
        following = target
        if own:
            following = tf.where(inputs["is_own"] & (target != PAD), _drawn(logits, inputs["chance"]), target)
        outputs = {TOKEN: token, "losses": captions.cross_entropy(logits, target)}
        return {TOKEN: following, **{name: found[name] for name in states}}, outputs

    changing = {TOKEN: sentences[:, 0], **{name: states[name] for name in system.changing}}
    outputs = {TOKEN: sentences[:, 0], "losses": tf.zeros([count])}
    return {name: tf.transpose(value) for name, value in recurrence.loop(body, changing, inputs, outputs).items()}


def _drawn(logits: tf.Tensor, chance: tf.Tensor) -> tf.Tensor:
    """Tokens int32 `[N]` drawn by the logits `[N, V]`: where their summed probabilities pass numbers in [0, 1)."""
    sums = tf.cumsum(tf.nn.softmax(logits), axis=-1)
    return tf.reduce_sum(tf.cast(sums <= chance[:, None] * sums[:, -1:], tf.int32), axis=-1)


def _sentences(tokens: tf.Tensor) -> tf.Tensor:
    """Of all examples, `[B, R, T + 1]` to `[N, T + 1]`."""
    return tf.reshape(tokens, [-1, recurrence.length(tokens, 2)])


def _of_examples(values: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """Sums over the references of each example, `[B R]` to `[B]`."""
    return tf.reduce_sum(tf.reshape(values, [-1, tokens.shape[1]]), axis=1)
