"""One sequence from another: pieces one after the other, over a file with two functions, one that reads and one for a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from kvision_edge.errors import BundleError
from kvision_edge.postprocess import captioning

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature
    from kvision_edge.postprocess.decoder import Arrays, Frame


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

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Written:
        """What was written."""
        return Written(**vars(super().answer(outputs, frame)))
