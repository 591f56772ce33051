"""Sentences of a network that says one token after another: greedy and beam search and sampling, for one image.

`kvision.ops.decoding` follows the same rules in TensorFlow, and says the same tokens where it is given the same logits: log-probabilities and
weights are float64 on a grid, so that sums are exact in any order and what is equal is equal on every machine. Of equals the sentence that stands
first in the beam wins, then the lower token number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np

from kvision_edge.postprocess import scores
from kvision_edge.postprocess.threefry import threefry

States = Dict[str, np.ndarray]
Step = Callable[[int, States], Tuple[np.ndarray, States]]
"""From the last token and the states to the logits `[V]` of the next one, the states that change, and whatever else is to be kept of each step."""

PAD = 0
"""Stands behind the end of a sentence, and is never said."""
GRID = 2.0**32
"""Log-probabilities are whole multiples of 1 / GRID, weights whole numbers up to GRID: sums of 2**20 of them are exact in float64."""


@dataclass(frozen=True)
class Rules:
    """How sentences are found.

    Attributes:
        start: Token that a sentence begins with; it is never said.
        end: Token that ends one; the only one that may stand in the last place.
        max_length: Most tokens of a sentence before its end.
        beam: Sentences that a search keeps; 1: greedy.
        length_alpha: Log-probabilities are divided by length ** length_alpha, the end counted, before they are compared; 0: they are not.
        nbest: Sentences that are given, the best first; of samples, how many are drawn.
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
    forbidden: Tuple[int, ...] = ()


@dataclass(frozen=True)
class Sentence:
    """A sentence, or the beginning of one.

    Attributes:
        tokens: Its tokens, without start; the end is the last of one that is `done`.
        log_probability: Sum over its tokens, the end among them.
        done: Whether it has come to its end.
        states: Of the network, after all but the last token.
        extras: What the step gave beside logits and states, for each token.
    """

    tokens: Tuple[int, ...]
    log_probability: float
    done: bool
    states: States
    extras: Tuple[States, ...] = ()


def search(step: Step, states: States, rules: Rules) -> List[Sentence]:
    """Finds the sentences of an image.

    Args:
        step: The network's step. What it gives by the name of a state is that state from then on; states that it does not give stay.
        states: Before the first step.
        rules: How to search, or to draw.

    Returns:
        `nbest` sentences, the best first, or as they were drawn; fewer where there are no more, and none if the logits are no numbers.
    """
    beam = [Sentence((), 0.0, False, states) for _ in range(rules.nbest if rules.temperature else 1)]
    for time in range(rules.max_length + 1):
        if all(each.done for each in beam):
            break
        last = {number: each.tokens[-1] if each.tokens else rules.start for number, each in enumerate(beam) if not each.done}
        steps = {number: step(token, beam[number].states) for number, token in last.items()}
        values = {number: log_probabilities(logits, beam[number].tokens, rules) for number, (logits, _) in steps.items()}
        chosen = _drawn(time, beam, values, rules) if rules.temperature else _searched(beam, values, rules)
        beam = [_continued(beam[place], token, total, steps.get(place), rules.end) for place, token, total in chosen]
    return beam[: rules.nbest]


def log_probabilities(logits: np.ndarray, said: Tuple[int, ...], rules: Rules) -> np.ndarray:
    """Of every token `[V]` that may come next, behind those that were said, on the grid; -inf for those that may not."""
    values = np.round(scores.log_softmax(logits.astype(np.float64)) * GRID) / GRID
    allowed = np.ones(values.shape, bool)
    allowed[[token for token in (PAD, rules.start, *rules.forbidden, *_repeating(said, rules.no_repeat)) if token < len(values)]] = False
    if len(said) == rules.max_length:
        allowed &= np.arange(len(values)) == rules.end
    return np.where(allowed, values, -np.inf)


Choice = Tuple[int, int, float]
"""A sentence's place in the beam, its next token, and the sum of its log-probabilities then."""


def _searched(beam: List[Sentence], values: Dict[int, np.ndarray], rules: Rules) -> List[Choice]:
    """The best of all continuations."""
    found: List[Tuple[float, Choice]] = []
    for number, each in enumerate(beam):
        if each.done:
            found.append((each.log_probability / len(each.tokens) ** rules.length_alpha, (number, PAD, each.log_probability)))
            continue
        totals = each.log_probability + values[number]
        divisor = (len(each.tokens) + 1) ** rules.length_alpha
        found += [(totals[token] / divisor, (number, token, float(totals[token]))) for token in _greatest(totals, rules.beam)]
    found.sort(key=lambda each: -each[0])  # keeps the order of equals
    return [choice for _, choice in found[: rules.beam]]


def _greatest(values: np.ndarray, count: int) -> List[int]:
    """The indices of the greatest of `[V]`, of equals the lower first; none of -inf or NaN."""
    least = np.partition(values, -count)[-count] if count < len(values) else -np.inf
    able = np.flatnonzero((values >= least) & (values > -np.inf))
    return [int(each) for each in able[np.argsort(-values[able], kind="stable")][:count]]


def _drawn(time: int, beam: List[Sentence], values: Dict[int, np.ndarray], rules: Rules) -> List[Choice]:
    """One token of each sentence by chance."""
    found = []
    for number, each in enumerate(beam):
        if each.done:
            found.append((number, PAD, each.log_probability))
            continue
        weights = np.round(GRID * np.exp((values[number] - values[number].max()) / rules.temperature))
        weights = nucleus(weights, rules.top_p) if rules.top_p < 1 else weights
        bits, _ = threefry((rules.seed & 0xFFFFFFFF, 0), (number, time))
        sums = np.cumsum(weights)
        token = int((sums <= bits / 2**32 * sums[-1]).sum())
        if values[number][token] > -np.inf:  # else they are no numbers
            found.append((number, token, each.log_probability + float(values[number][token])))
    return found


def nucleus(weights: np.ndarray, share: float) -> np.ndarray:
    """Weights `[V]` without those behind the greatest that together reach a share of all; of equals all stay or none.

    References:
        Holtzman et al. 2020, The curious case of neural text degeneration, eq. 2.
    """
    ordered = -np.sort(-weights)
    sums = np.cumsum(ordered)
    inside = ordered[sums - ordered < share * sums[-1]]
    return np.where(weights >= inside.min(initial=np.inf), weights, 0.0)


def _repeating(tokens: Tuple[int, ...], length: int) -> List[int]:
    """Tokens that would end a sequence of `length` tokens that there is already."""
    if not length:
        return []
    last = tokens[len(tokens) - length + 1 :]
    return [tokens[first + length - 1] for first in range(len(tokens) - length + 1) if tokens[first : first + length - 1] == last]


def _continued(sentence: Sentence, token: int, total: float, stepped: Optional[Tuple[np.ndarray, States]], end: int) -> Sentence:
    """The sentence with its next token, of the step that gave it; as it is where there was none."""
    if stepped is None:
        return sentence
    _, given = stepped
    states = {name: given.get(name, value) for name, value in sentence.states.items()}
    extras = {name: value for name, value in given.items() if name not in sentence.states}
    return Sentence((*sentence.tokens, token), total, token == end, states, (*sentence.extras, extras))
