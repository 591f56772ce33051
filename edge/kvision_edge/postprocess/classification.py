"""Classification: the most probable classes of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

import numpy as np

from kvision_edge.postprocess import scores
from kvision_edge.postprocess.decoder import Answer, Arrays, Decoder, Frame

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature


@dataclass(frozen=True)
class Classification(Answer):
    """The most probable classes, best first.

    Attributes:
        classes: Their numbers.
        labels: Their names.
        probabilities: Likewise, 0-1.
    """

    classes: Tuple[int, ...]
    labels: Tuple[str, ...]
    probabilities: Tuple[float, ...]

    def to_json(self) -> Dict[str, Any]:
        """The table."""
        rows = zip(self.classes, self.labels, self.probabilities)
        return {"task": "classification", "classes": [{"class": n, "label": label, "probability": round(p, 6)} for n, label, p in rows]}

    def text(self) -> str:
        """A line a class."""
        return "\n".join(f"{probability:7.2%}  {label}" for label, probability in zip(self.labels, self.probabilities))


def top_k(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Indices of the greatest of `[K]`, best first; the first of equals first, as `tf.math.top_k`."""
    return np.argsort(-probabilities, kind="stable")[:count]


class Decode(Decoder):
    """The best `top_k` classes.

    Args:
        manifest: The bundle's manifest; `decode`: `output`, `activation` (`sigmoid`: several labels may hold at once), `top_k` (5).
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._activation = self.setting("activation", "softmax", *scores.ACTIVATIONS)
        self._count = self.count("top_k", 5)

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Classification:
        """The most probable classes."""
        del frame
        probabilities = scores.activated(self.output(outputs).ravel(), self._activation)
        best = [int(number) for number in top_k(probabilities, self._count)]
        return Classification(tuple(best), tuple(map(self.label, best)), tuple(float(probabilities[number]) for number in best))
