"""Captioning: words one after the other, by greedy or beam search over a file with two functions, one for the picture and one for a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from kvision_edge.errors import BundleError
from kvision_edge.postprocess import scores
from kvision_edge.postprocess.decoder import Answer, Arrays, Call, Decoder, Frame

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature

Step = Callable[[int, Arrays], Tuple[np.ndarray, Arrays]]
"""From the last token and the state to the logits `[V]` of the next token, and the new state."""


@dataclass(frozen=True)
class Caption(Answer):
    """A sentence.

    Attributes:
        words: Its words.
        tokens: Their numbers.
        log_probability: Sum over the words and the end of the sentence.
    """

    words: Tuple[str, ...]
    tokens: Tuple[int, ...]
    log_probability: float

    def to_json(self) -> Dict[str, Any]:
        """The sentence."""
        return {"task": "captioning", "caption": " ".join(self.words), "log_probability": round(self.log_probability, 6)}

    def text(self) -> str:
        """The sentence."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Hypothesis:
    """A sentence, or the beginning of one.

    Attributes:
        tokens: Its words' numbers, without start and end.
        log_probability: Sum over its tokens, the end among them once it is `done`.
        done: Whether it has come to its end.
        state: Of the network, after all but the last token.
    """

    tokens: Tuple[int, ...]
    log_probability: float
    done: bool
    state: Arrays

    def score(self, alpha: float) -> float:
        """Log-probability divided by length ** alpha; the end counts as a token.

        References:
            Wu 2016, Google's neural machine translation system, section 7, with the plain power as its length penalty.
        """
        return self.log_probability / (max(1, len(self.tokens) + self.done) ** alpha)


def beam_search(step: Step, state: Arrays, *, start: int, end: int, most: int, beam: int = 1, alpha: float = 0.0) -> Hypothesis:
    """The best sentence that a beam finds; with a beam of 1, greedy search.

    Sentences that are done keep their place in the beam and compete with the others; the search ends when all are done, or at the length.

    Args:
        step: The network's step.
        state: Before the first step.
        start: Token to begin with.
        end: Token that ends a sentence.
        most: Most tokens of a sentence.
        beam: Sentences that are kept.
        alpha: Exponent of the length that scores are divided by; 0: none.

    Returns:
        The best sentence.
    """
    beams = [Hypothesis((), 0.0, False, state)]
    for _ in range(most):
        if all(each.done for each in beams):
            break
        found: List[Hypothesis] = []
        for each in beams:
            if each.done:
                found.append(each)
                continue
            logits, after = step(each.tokens[-1] if each.tokens else start, each.state)
            values = scores.log_softmax(logits.astype(np.float64))
            for token in np.argsort(-values, kind="stable")[:beam].tolist():
                total = each.log_probability + float(values[token])
                found.append(Hypothesis(each.tokens, total, True, {}) if token == end else Hypothesis((*each.tokens, token), total, False, after))
        beams = sorted(found, key=lambda each: -each.score(alpha))[:beam]
    return beams[0]


class Decode(Decoder):
    """Searches the sentence of a picture.

    The first function takes the picture. The step takes the last token under the name `token`, and by their names what the first function or
    the step before gave; it gives `logits` and what changes.

    Args:
        manifest: The bundle's manifest; `labels` are the vocabulary; `decode`: `step` (`step`), `token` (`token`), `output` (`logits`), `start`,
            `end`, `max_length` (20), `beam` (1), `length_alpha` (0).
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._step, self._token = str(manifest.decode.get("step", "step")), str(manifest.decode.get("token", "token"))
        self._logits = str(manifest.decode.get("output", "logits"))
        if self._step not in signatures or self._token not in signatures[self._step].inputs:
            raise BundleError(f"decode.step is {self._step!r} with the input {self._token!r}; the file has the functions {', '.join(signatures)}")
        self._inputs = signatures[self._step].inputs
        if any(size not in (-1, 1) for size in self._inputs[self._token].shape):
            raise BundleError(f"{self._step} takes {list(self._inputs[self._token].shape)} tokens at once, expected one; export the bundle again")
        self.signature = next(name for name in signatures if name != self._step)
        self._start, self._end = int(self.setting("start", None)), int(self.setting("end", None))
        self._most, self._beam = self.count("max_length", 20), self.count("beam", 1)
        self._alpha = float(self.setting("length_alpha", 0.0))

    def infer(self, call: Call, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """The picture's features, then the search; gives `tokens` and `log_probability`."""
        features = call(self.signature, inputs)

        def step(token: int, state: Arrays) -> Tuple[np.ndarray, Arrays]:
            known = {**state, self._token: np.full([max(size, 1) for size in self._inputs[self._token].shape], token)}
            missing = [name for name in self._inputs if name not in known]
            if missing:
                raise BundleError(f"{self._step} takes {', '.join(missing)}, which nothing gives; export the bundle again")
            given = call(self._step, {name: known[name] for name in self._inputs})
            logits = given.pop(self._logits) if self._logits in given else next(iter(given.values()))
            return logits.reshape(-1), {**state, **given}

        best = beam_search(step, features, start=self._start, end=self._end, most=self._most, beam=self._beam, alpha=self._alpha)
        return {"tokens": np.array([best.tokens], np.int64), "log_probability": np.array([best.log_probability])}

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Caption:
        """The sentence in words."""
        del frame
        tokens = tuple(int(token) for token in outputs["tokens"][0])
        return Caption(tuple(map(self.label, tokens)), tokens, float(outputs["log_probability"][0]))
