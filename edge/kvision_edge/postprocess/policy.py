"""Policies: the action for an observation, the best one or one drawn from the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Union

import numpy as np

from kvision_edge.errors import BundleError
from kvision_edge.postprocess import scores
from kvision_edge.postprocess.decoder import Answer, Arrays, Decoder, Frame

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature

POLICIES = ("categorical", "values", "gaussian")


@dataclass(frozen=True)
class Action(Answer):
    """What to do.

    Attributes:
        action: Number of the action, the numbers of one that has several parts, or the values of a continuous one.
        label: Name of the action, where it is one number.
        probabilities: Of each action, the parts one behind the other; empty where the policy has none.
        sizes: How many actions there are, of each part; empty for a continuous one.
    """

    action: Union[int, Tuple[int, ...], Tuple[float, ...]]
    label: str
    probabilities: Tuple[float, ...]
    sizes: Tuple[int, ...]

    def to_json(self) -> Dict[str, Any]:
        """The action and its probabilities."""
        action = self.action if isinstance(self.action, int) else list(self.action)
        return {"task": "policy", "action": action, "label": self.label, "probabilities": [round(each, 6) for each in self.probabilities]}

    def text(self) -> str:
        """The action, and how sure it is."""
        if isinstance(self.action, int):
            return f"{self.label} ({self.probabilities[self.action]:.2%})" if self.probabilities else self.label
        return " ".join(f"{value:.4f}" if isinstance(value, float) else str(value) for value in self.action)


def draw(probabilities: np.ndarray, uniform: float) -> int:
    """The action whose part of the unit interval holds `uniform`: the inverse of the distribution function of `[A]` probabilities."""
    found = int(np.searchsorted(np.cumsum(probabilities, dtype=np.float64), uniform, side="right"))
    return min(found, len(probabilities) - 1)


class Decode(Decoder):
    """Chooses actions.

    Args:
        manifest: The bundle's manifest; `labels` name the actions; `decode`: `policy` (`categorical`: `output` names logits `[1, A]`; `values`: it
            names what each action is worth `[1, A]`; `gaussian`: it names the means `[1, D]`, `log_std` the logarithms of the deviations, `squash`
            whether tanh follows), `actions` (the sizes of an action's parts, which lie one behind the other in the output), `low` and `high` (the
            bounds of a continuous action), `sample` (false: the best action), `seed`.
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._policy = self.setting("policy", "categorical", *POLICIES)
        self._sample, self._squash = self.setting("sample", False, True, False), self.setting("squash", False, True, False)
        self._random = np.random.default_rng(manifest.decode.get("seed"))
        self._sizes = tuple(int(size) for size in self._numbers("actions"))
        self.low, self.high = (np.asarray(self._numbers(name), np.float32) for name in ("low", "high"))

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Action:
        """The action for one observation."""
        del frame
        values = self.output(outputs).ravel()
        if self._policy == "gaussian":
            return Action(tuple(float(value) for value in self._continuous(values, outputs)), "", (), ())
        sizes = self._sizes or (len(values),)
        if sum(sizes) != len(values):
            raise BundleError(f"decode.actions is {list(sizes)}, and the file gives {len(values)} values; export the bundle again")
        parts = np.split(values, np.cumsum(sizes)[:-1])
        probabilities = [] if self._policy == "values" else [scores.softmax(part) for part in parts]
        if self._sample and probabilities:
            chosen = [draw(part, self._random.random()) for part in probabilities]
        else:
            chosen = [int(np.argmax(part)) for part in parts]
        every = tuple(float(each) for part in probabilities for each in part)
        return Action(chosen[0], self.label(chosen[0]), every, sizes) if len(chosen) == 1 else Action(tuple(chosen), "", every, sizes)

    def label(self, number: int) -> str:
        """Name of an action."""
        return super().label(number) if number < len(self.manifest.labels) else f"action {number}"

    def _continuous(self, values: np.ndarray, outputs: Arrays) -> np.ndarray:
        """The values of a continuous action, within its bounds where the bundle tells them: squashed ones are spread over them, others cut."""
        if self._sample:
            values = values + np.exp(self.output(outputs, "log_std").ravel()) * self._random.standard_normal(values.shape)
        values = np.tanh(values) if self._squash else values
        if not len(self.low):
            return values
        if self._squash:
            values = self.low + (values + 1) / 2 * (self.high - self.low)
        return np.clip(values, self.low, self.high)

    def _numbers(self, key: str) -> List[float]:
        """A list of numbers of `manifest.decode`; empty where there is none."""
        found = self.manifest.decode.get(key, ())
        if not isinstance(found, (list, tuple)) or not all(isinstance(each, (int, float)) for each in found):
            raise BundleError(f"decode.{key} is {found!r}, expected a list of numbers; export the bundle again")
        return list(found)
