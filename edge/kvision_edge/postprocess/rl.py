"""Policies: the action for an observation, the best one or one drawn from the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple, Union

import numpy as np

from kvision_edge.postprocess import scores
from kvision_edge.postprocess.decoder import Answer, Arrays, Decoder, Frame

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature

POLICIES = ("categorical", "gaussian")


@dataclass(frozen=True)
class Action(Answer):
    """What to do.

    Attributes:
        action: Number of the action, or the values of a continuous one.
        label: Name of the action; empty for a continuous one.
        probabilities: Of each action; empty for a continuous one.
    """

    action: Union[int, Tuple[float, ...]]
    label: str
    probabilities: Tuple[float, ...]

    def to_json(self) -> Dict[str, Any]:
        """The action and its probabilities."""
        action = self.action if isinstance(self.action, int) else list(self.action)
        return {"task": "rl", "action": action, "label": self.label, "probabilities": [round(each, 6) for each in self.probabilities]}

    def text(self) -> str:
        """The action, and how sure it is."""
        if isinstance(self.action, int):
            return f"{self.label} ({self.probabilities[self.action]:.2%})"
        return " ".join(f"{value:.4f}" for value in self.action)


def draw(probabilities: np.ndarray, uniform: float) -> int:
    """The action whose part of the unit interval holds `uniform`: the inverse of the distribution function of `[A]` probabilities."""
    found = int(np.searchsorted(np.cumsum(probabilities, dtype=np.float64), uniform, side="right"))
    return min(found, len(probabilities) - 1)


class Decode(Decoder):
    """Chooses actions.

    Args:
        manifest: The bundle's manifest; `labels` name the actions; `decode`: `policy` (`categorical`: `output` names logits `[1, A]`; `gaussian`:
            `output` names the means `[1, D]`, `log_std` the logarithms of the deviations, `squash` whether tanh follows), `sample` (false: the
            best action), `seed`.
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._policy = self.setting("policy", "categorical", *POLICIES)
        self._sample, self._squash = self.setting("sample", False, True, False), self.setting("squash", False, True, False)
        self._random = np.random.default_rng(manifest.decode.get("seed"))

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Action:
        """The action for one observation."""
        del frame
        values = self.output(outputs).ravel()
        if self._policy == "gaussian":
            if self._sample:
                values = values + np.exp(self.output(outputs, "log_std").ravel()) * self._random.standard_normal(values.shape)
            values = np.tanh(values) if self._squash else values
            return Action(tuple(float(value) for value in values), "", ())
        probabilities = scores.softmax(values)
        action = draw(probabilities, self._random.random()) if self._sample else int(np.argmax(probabilities))
        return Action(action, self.label(action), tuple(float(each) for each in probabilities))
