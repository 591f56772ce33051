"""One sequence from another: pieces one after the other, over a file with two functions, one that reads and one for a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

import numpy as np

from kvision_edge import vocabulary
from kvision_edge.errors import BundleError
from kvision_edge.postprocess import captioning

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature
    from kvision_edge.postprocess.decoder import Arrays, Call, Frame


@dataclass(frozen=True)
class Written(captioning.Caption):
    """What was written, the best first; fields as `captioning.Caption` has them, `attention` over the pieces that were read."""

    def to_json(self) -> Dict[str, Any]:
        """The first text, the others, and where the network looked."""
        found = super().to_json()
        return {"task": "sequence", "text": found.pop("caption"), **{name: value for name, value in found.items() if name != "task"}}


class Decode(captioning.Decode):
    """Finds what is to be written, by the same rules as sentences on pictures.

    Args:
        manifest: The bundle's manifest; `decode` as for `captioning.Decode`.
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit, or there is nothing that reads: a language model has a step alone.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        if len(signatures) == 1:
            (only,) = signatures
            raise BundleError(f"{manifest.name} has the function {only} alone, a language model's; call it by an interpreter, token by token")
        super().__init__(manifest, signatures)
        self._read = signatures[self.signature].inputs

    def infer(self, call: Call, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """As `captioning.Decode.infer`; a text `[1, L]` shorter than what is read at once is padded."""
        return super().infer(call, {name: self._padded(name, value) for name, value in inputs.items()})

    def _padded(self, name: str, value: np.ndarray) -> np.ndarray:
        missing = self._read[name].shape[-1] - value.shape[-1] if name in self._read and value.ndim == 2 else 0
        return np.pad(value, ((0, 0), (0, missing)), constant_values=vocabulary.PAD) if missing > 0 else value

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Written:
        """What was written."""
        return Written(**vars(super().answer(outputs, frame)))
