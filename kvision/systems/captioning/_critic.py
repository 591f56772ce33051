"""Self-critical training: what the network draws is rewarded by how much better its CIDEr-D is than that of what it would say.

Paper: Rennie et al. 2017, arXiv 1612.00563, equations 7 to 9.
Deviations: several draws of each picture in a step; nothing is dropped, and batch norms keep their statistics.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.text.vocabulary import END, PAD, START
from kvision.losses import captions
from kvision.metrics.captions.cider import Cider
from kvision.ops import decoding, draws
from kvision.systems.captioning import _training

if TYPE_CHECKING:
    from kvision.engine.system import Batch
    from kvision.systems.captioning._part import Captioner


class Critic:
    """Rewards the sentences of one captioner.

    Args:
        system: The captioner.
    """

    def __init__(self, system: Captioner) -> None:
        self._system = system
        plain = dataclasses.replace(system.rules, beam=1, nbest=1, length_alpha=0.0, top_p=1.0, no_repeat=0, temperature=0.0)
        self._greedy, self._drawn = plain, dataclasses.replace(plain, temperature=1.0, nbest=system.loss.samples, forbidden=())

    @cached_property
    def _cider(self) -> Cider:
        """Of the training references as numbers, the end among them."""
        texts = self._system.texts
        if not texts.training:
            raise DataError("loss.name: self_critical needs the references of the training pictures; train, where the data is")
        return Cider([[(*texts.vocabulary.encode(text), END) for text in each] for each in texts.training])

    def losses(self, batch: Batch) -> tf.Tensor:
        """The loss of each example `[b]`: minus the mean reward of its draws, with the gradient of their log-probabilities.

        Args:
            batch: Some examples, with their numbers.

        Returns:
            `[b]`.
        """
        system, count = self._system, self._system.loss.samples
        states = system.encode(batch["image"])
        seeds = draws.integers(tf.shape(batch["index"]), system.decoder.draws)
        held = {name: tf.stop_gradient(value) for name, value in states.items()}
        greedy = decoding.search(system.step, held, self._greedy).tokens
        drawn = decoding.search(system.step, held, self._drawn, seeds).tokens
        rewards = tf.numpy_function(self._rewards, [batch["index"], tf.concat([greedy, drawn], axis=1)], tf.float32, stateful=False)
        rewards = tf.ensure_shape(rewards, [batch["index"].shape[0], 1 + count])
        advantages = tf.reshape(rewards[:, 1:] - rewards[:, :1], [-1])

        sentences = tf.reshape(drawn, [-1, drawn.shape[-1]])
        given = tf.concat([tf.fill([tf.shape(sentences)[0], 1], START), sentences[:, :-1]], axis=1)
        said = system.decoder.sequence(_training.repeated(states, count), given)
        targets = tf.transpose(sentences)
        costs = tf.reduce_sum(captions.cross_entropy(said.logits, targets) * tf.cast(targets != PAD, tf.float32), axis=0)
        surrogate = tf.reduce_mean(tf.reshape(advantages * costs, [-1, count]), axis=1)
        return surrogate - tf.stop_gradient(surrogate + tf.reduce_mean(rewards[:, 1:], axis=1))

    def _rewards(self, index: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """CIDEr-D of sentences `[b, n, T]`, `[b, n]`."""
        return np.array(
            [[self._cider.score(row[row != PAD].tolist(), number) for row in rows] for number, rows in zip(index.tolist(), tokens, strict=True)],
            np.float32,
        )
