"""Sentences of a network that says one token after another: greedy and beam search and sampling, in the graph, for a batch of images at once.

`kvision_edge.postprocess.decoding` follows the same rules in numpy, and says the same tokens where it is given the same logits: log-probabilities
and weights are float64 on a grid, so that sums are exact in any order and what is equal is equal on every machine. Of equals the sentence that
stands first in the beam wins, then the lower token number.

Shapes: B images, K sentences kept of each, V tokens, L most tokens of a sentence, T = L + 1 places with its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.ops import threefry

States = dict[str, tf.Tensor]
Step = Callable[[tf.Tensor, States], tuple[tf.Tensor, Mapping[str, tf.Tensor]]]
"""From tokens int32 `[N]` and states `[N, ...]` to logits `[N, V]`, the states that change, and whatever else is to be kept of each step."""

PAD = 0
"""Stands behind the end of a sentence, and is never said."""
GRID = 2.0**32
"""Log-probabilities are whole multiples of 1 / GRID, weights whole numbers up to GRID: sums of 2**20 of them are exact in float64."""
_INF = float("inf")


@dataclass(frozen=True)
class Rules:
    """How sentences are found; plain values, which a bundle's manifest holds under the same names.

    Attributes:
        start: Token that a sentence begins with; it is never said.
        end: Token that ends one; the only one that may stand in the last place.
        max_length: L, most tokens of a sentence before its end.
        beam: Sentences that a search keeps; 1: greedy.
        length_alpha: Log-probabilities are divided by length ** length_alpha, the end counted, before they are compared; 0: they are not.
        nbest: Sentences that are given of each image, the best first; of samples, how many are drawn.
        temperature: 0: search; else tokens are drawn, with logits divided by it.
        top_p: Drawn from the most probable tokens that together reach this probability (nucleus); 1: from all.
        seed: Of what is drawn.
        no_repeat: No sequence of so many tokens comes twice in a sentence; 0: it may.
        forbidden: Tokens that are never said, such as the one for unknown words; padding and start never are.
    """

    start: int
    end: int
    max_length: int
    beam: int = 1
    length_alpha: float = 0.0
    nbest: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    no_repeat: int = 0
    forbidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what does not go together."""
        if self.temperature and self.beam > 1:
            raise UsageError(f"temperature={self.temperature:g} draws sentences, beam={self.beam} searches them; give temperature=0 or beam=1")
        if not self.temperature and self.nbest > self.beam:
            raise UsageError(f"nbest={self.nbest} sentences of a beam of {self.beam}; give at most as many, or a wider beam")
        if self.end in (PAD, self.start, *self.forbidden):
            raise UsageError(f"end={self.end} is a token that is never said: padding is {PAD}, start {self.start}, forbidden {self.forbidden}")

    @property
    def kept(self) -> int:
        """K, the sentences of an image that are on their way at once."""
        return self.nbest if self.temperature else self.beam

    @property
    def places(self) -> int:
        """T."""
        return self.max_length + 1


class Sentences(NamedTuple):
    """What was found of each image, n = `Rules.nbest`.

    Attributes:
        tokens: int32 `[B, n, T]`: the sentence, its end, padding. Where there are fewer than n sentences, the last are all padding.
        log_probability: `[B, n]`, natural, of the tokens with the end as the network has them, whatever is forbidden; -inf where there is none.
        extras: What the step gave beside logits and states, such as where it looked, `[B, n, T, ...]` by name; 0 at padding.
    """

    tokens: tf.Tensor
    log_probability: tf.Tensor
    extras: dict[str, tf.Tensor]


def search(step: Step, states: Mapping[str, tf.Tensor], rules: Rules, seeds: tf.Tensor | None = None) -> Sentences:
    """Finds the sentences of a batch of images. Gradients do not go through it.

    Args:
        step: The network's step. What it gives by the name of a state is that state from then on; states that it does not give stay.
        states: Before the first step, `[B, ...]` by name.
        rules: How to search, or to draw.
        seeds: int32 `[B]`, drawn by beside `rules.seed`; none: 0 for every image, so that what is drawn does not depend on its batch.

    Returns:
        The sentences. Draws are given in the order in which they were drawn.
    """
    first = next(iter(states.values()))
    count = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
    chooser = _Chooser(rules, tf.zeros([count], tf.int32) if seeds is None else seeds)
    start = _Beam(tf.zeros([count, 1, rules.places], tf.int32), tf.zeros([count, 1], tf.float64))

    # The first step is taken once for each image; its outputs say what is to be carried through the loop.
    logits, given = step(tf.fill([count], tf.constant(rules.start)), dict(states))
    beam, rows = chooser.next(tf.constant(0), start, logits)
    constant = {name: tf.repeat(value, rules.kept, axis=0) for name, value in states.items() if name not in given}
    carried = {name: tf.gather(given[name], rows) for name in states if name in given}
    extras = {name: _written(_room(value, start.tokens), value, 0, rows, rules) for name, value in given.items() if name not in states}

    def going(time: tf.Tensor, beam: _Beam, *_: States) -> tf.Tensor:
        return (time < rules.places) & ~tf.reduce_all(beam.done(rules.end))

    def forward(time: tf.Tensor, beam: _Beam, carried: States, extras: States) -> tuple[tf.Tensor, _Beam, States, States]:
        last = tf.reshape(tf.gather(beam.tokens, time - 1, axis=2), [-1])
        logits, given = step(last, {**constant, **carried})
        beam, rows = chooser.next(time, beam, logits)
        extras = {name: _written(value, given[name], time, rows, rules) for name, value in extras.items()}
        return time + 1, beam, {name: tf.gather(given[name], rows) for name in carried}, extras

    _, beam, _, extras = tf.while_loop(going, forward, (tf.constant(1), beam, carried, extras))
    return _best(beam, extras, rules.nbest)


class _Beam(NamedTuple):
    """Sentences on their way: tokens int32 `[B, K, T]` and the sums of their log-probabilities float64 `[B, K]`; -inf: there is none."""

    tokens: tf.Tensor
    totals: tf.Tensor

    def done(self, end: int) -> tf.Tensor:
        """Which have come to their end, or are none, bool `[B, K]`."""
        return tf.reduce_any(self.tokens == end, axis=-1) | tf.math.is_inf(self.totals)


class _Chooser:
    """Chooses how sentences go on."""

    def __init__(self, rules: Rules, seeds: tf.Tensor) -> None:
        self._rules = rules
        self._seeds = tf.bitcast(tf.cast(seeds, tf.int32), tf.uint32)

    def next(self, time: tf.Tensor, beam: _Beam, logits: tf.Tensor) -> tuple[_Beam, tf.Tensor]:
        """The beam with the token of place `time`, and for each of its sentences the row of `logits` `[B K, V]` that it goes on from."""
        rules, width, done = self._rules, beam.tokens.shape[1], beam.done(self._rules.end)
        values = tf.reshape(_log_probabilities(logits), [-1, width, logits.shape[-1]])
        values = tf.where(self._allowed(time, beam.tokens, logits.shape[-1]), values, -_INF)
        values = tf.where(done[..., None], _only(PAD, logits.shape[-1]), values)
        parents, tokens, totals = self._drawn(time, beam, values) if rules.temperature else self._searched(time, beam, values, done)
        place = tf.range(rules.places) == time
        tokens = tf.where(place, tokens[..., None], tf.gather(beam.tokens, parents, batch_dims=1))
        return _Beam(tokens, totals), tf.reshape(tf.range(tf.shape(parents)[0])[:, None] * width + parents, [-1])

    def _allowed(self, time: tf.Tensor, tokens: tf.Tensor, size: int) -> tf.Tensor:
        """Which tokens may come next, bool `[B, K, V]` or `[V]`."""
        rules, numbers = self._rules, tf.range(size)
        never = tf.reduce_any(numbers[:, None] == tf.constant([PAD, rules.start, *rules.forbidden]), axis=1)
        allowed = tf.where(time == rules.max_length, numbers == rules.end, ~never)
        return allowed & ~_repeating(tokens, time, rules.no_repeat, size) if 0 < rules.no_repeat <= rules.max_length else allowed

    def _searched(self, time: tf.Tensor, beam: _Beam, values: tf.Tensor, done: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The best of all continuations: the sentences they are of, their tokens and their sums, `[B, K]` each."""
        rules, width, size = self._rules, values.shape[1], values.shape[2]
        lengths = tf.where(done, tf.math.count_nonzero(beam.tokens, axis=-1, dtype=tf.int32), time + 1)
        divisors = tf.gather(tf.constant([max(1, n) ** rules.length_alpha for n in range(rules.places + 1)], tf.float64), lengths)
        totals = beam.totals[..., None] + values
        flat, ranks = (tf.reshape(each, [-1, width * size]) for each in (totals, totals / divisors[..., None]))
        missing = [[0, 0], [0, max(0, rules.kept - width * size)]]
        flat, ranks = (tf.pad(each, missing, constant_values=-_INF) for each in (flat, ranks))
        best = tf.math.top_k(ranks, rules.kept).indices
        return tf.minimum(best // size, width - 1), best % size, tf.gather(flat, best, batch_dims=1)

    def _drawn(self, time: tf.Tensor, beam: _Beam, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As `_searched`, one token of each sentence by chance."""
        rules, numbers = self._rules, tf.range(self._rules.kept)
        parents = tf.repeat(tf.minimum(numbers, values.shape[1] - 1)[None], tf.shape(values)[0], axis=0)
        values, totals = (tf.gather(each, parents, batch_dims=1) for each in (values, beam.totals))
        weights = tf.round(GRID * tf.exp((values - tf.reduce_max(values, axis=-1, keepdims=True)) / rules.temperature))
        weights = _nucleus(weights, rules.top_p) if rules.top_p < 1 else weights
        key = tf.constant(rules.seed % 2**32, tf.uint32), self._seeds[:, None]
        bits, _ = threefry.threefry(key, (tf.cast(numbers, tf.uint32), tf.cast(time, tf.uint32)))
        sums = tf.cumsum(weights, axis=-1)
        reached = tf.cast(bits, tf.float64)[..., None] / 2**32 * sums[..., -1:]
        tokens = tf.reduce_sum(tf.cast(sums <= reached, tf.int32), axis=-1)
        return parents, tokens, totals + tf.gather(values, tokens, batch_dims=2)


def _log_probabilities(logits: tf.Tensor) -> tf.Tensor:
    """On the grid, float64."""
    shifted = tf.cast(logits, tf.float64) - tf.reduce_max(tf.cast(logits, tf.float64), axis=-1, keepdims=True)
    return tf.round((shifted - tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1, keepdims=True))) * GRID) / GRID


def _only(token: int, size: int) -> tf.Tensor:
    """The log-probabilities `[V]` of what can't be but one token."""
    return tf.where(tf.range(size) == token, tf.constant(0.0, tf.float64), -_INF)


def _nucleus(weights: tf.Tensor, share: float) -> tf.Tensor:
    """Weights `[..., V]` without those behind the greatest that together reach a share of all; of equals all stay or none.

    References:
        Holtzman et al. 2020, The curious case of neural text degeneration, eq. 2.
    """
    ordered = tf.sort(weights, axis=-1, direction="DESCENDING")
    sums = tf.cumsum(ordered, axis=-1)
    inside = sums - ordered < share * sums[..., -1:]
    least = tf.reduce_min(tf.where(inside, ordered, _INF), axis=-1, keepdims=True)
    return tf.where(weights >= least, weights, 0.0)


def _repeating(tokens: tf.Tensor, time: tf.Tensor, length: int, size: int) -> tf.Tensor:
    """Which tokens at place `time` would end a sequence of `length` tokens that the sentence has already, bool `[B, K, V]`."""
    width, starts = tokens.shape[1], tokens.shape[2] - length + 1
    flat = tf.reshape(tokens, [-1, tokens.shape[2]])
    same = tf.broadcast_to(tf.range(starts) + length - 1 < time, tf.shape(flat[:, :starts]))
    for place in range(length - 1):
        last = tf.gather(flat, tf.maximum(time - length + 1 + place, 0), axis=1)
        same &= flat[:, place : place + starts] == last[:, None]
    rows = tf.repeat(tf.range(tf.shape(flat)[0])[:, None], starts, axis=1)
    found = tf.scatter_nd(tf.stack([rows, flat[:, length - 1 :]], axis=-1), tf.cast(same, tf.int32), [tf.shape(flat)[0], size])
    return tf.reshape(found > 0, [-1, width, size])


def _room(value: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """Zeros `[B, 1, T, ...]` for what comes of each step `[B, ...]`."""
    shape = tf.concat([tf.shape(tokens), tf.shape(value)[1:]], axis=0)
    return tf.ensure_shape(tf.zeros(shape, value.dtype), tokens.shape.concatenate(value.shape[1:]))


def _written(kept: tf.Tensor, value: tf.Tensor, time: tf.Tensor | int, rows: tf.Tensor, rules: Rules) -> tf.Tensor:
    """What was kept of each step `[B, k, T, ...]`, with that of place `time` `[B k, ...]`, for the sentences that go on `[B, K, T, ...]`."""
    inner = value.shape[1:]
    place = tf.reshape(tf.range(rules.places) == time, [1, rules.places, *(1 for _ in inner)])
    whole = tf.where(place, value[:, None], tf.reshape(kept, [-1, rules.places, *inner]))
    return tf.reshape(tf.gather(whole, rows), [-1, rules.kept, rules.places, *inner])


def _best(beam: _Beam, extras: States, count: int) -> Sentences:
    """The first `count` sentences, what is none of them made empty."""
    totals = tf.stop_gradient(beam.totals[:, :count])
    tokens = tf.where(tf.math.is_inf(totals)[..., None], PAD, beam.tokens[:, :count])

    def said(value: tf.Tensor) -> tf.Tensor:
        inside = tf.reshape(tokens != PAD, tf.concat([tf.shape(tokens), [1] * (value.shape.rank - 3)], axis=0))
        return tf.stop_gradient(tf.where(inside, value[:, :count], tf.zeros([], value.dtype)))

    return Sentences(tokens, tf.cast(totals, tf.float32), {name: said(value) for name, value in extras.items()})
