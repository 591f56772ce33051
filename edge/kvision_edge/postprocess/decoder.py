"""What the decoders of all tasks have in common."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

import numpy as np

from kvision_edge.errors import BundleError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from kvision_edge.bundle import Bundle
    from kvision_edge.manifest import Manifest, Signature
    from kvision_edge.preprocess import Preprocess

MOST = 1 << 12
"""Of words, beams, classes or boxes: a manifest that asks for more is not believed."""
Arrays = Dict[str, np.ndarray]
Call = Callable[[str, Mapping[str, np.ndarray]], Arrays]
"""Runs a function of the file, by its name, in real numbers."""


@dataclass(frozen=True)
class Frame:
    """A picture that is predicted.

    Attributes:
        image: uint8 `[H, W, 3]`.
        preprocess: How it came into the network's square.
    """

    image: np.ndarray
    preprocess: Preprocess

    @property
    def size(self) -> Tuple[int, int]:
        """Height and width, pixels."""
        return self.image.shape[0], self.image.shape[1]


class Answer(abc.ABC):
    """What a model says of one picture, or of one set of inputs."""

    @abc.abstractmethod
    def to_json(self) -> Dict[str, Any]:
        """What `--json` prints; arrays of the picture's size are left out."""

    @abc.abstractmethod
    def text(self) -> str:
        """A few lines for a person."""

    def pictures(self, image: np.ndarray) -> Dict[str, Image.Image]:
        """Pictures of the answer over the image uint8 `[H, W, 3]`, by a short name; none where there is nothing to see."""
        del image
        return {}


class Decoder(abc.ABC):
    """Makes answers of one task.

    Args:
        manifest: The bundle's manifest.
        signatures: The functions of the file that is run.

    Attributes:
        manifest: The manifest.
        signature: Name of the file's first function.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        self.manifest = manifest
        self.signature = next(iter(signatures))

    def load(self, bundle: Bundle) -> None:
        """Reads what else of the bundle its answers are made with; nothing for most tasks."""
        del bundle

    def infer(self, call: Call, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Runs the network on one example, `[1, ...]` by name; decoders that need several calls do them here."""
        return call(self.signature, inputs)

    @abc.abstractmethod
    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Answer:
        """The answer of one example's outputs."""

    def sides(self, height: int, width: int) -> Optional[Tuple[int, int]]:
        """Height and width that a picture is padded to, at the bottom and on the right, to be predicted whole; none where the square is predicted."""
        del height, width
        return None

    def frame(self, given: Optional[Frame]) -> Frame:
        """The picture, which this task needs."""
        if given is None:
            outputs = "`model.infer(model.prepare(inputs))`"
            raise UsageError(f"a {self.manifest.task} model predicts pictures, not arrays; give a picture, or use {outputs}")
        return given

    def output(self, outputs: Arrays, key: str = "output") -> np.ndarray:
        """The output that the setting `key` names, or the only one there is, without its batch dimension."""
        name = self.manifest.decode.get(key)
        if isinstance(name, str) and name in outputs:
            return outputs[name][0]
        if len(outputs) == 1:
            return next(iter(outputs.values()))[0]
        raise BundleError(f"decode.{key} is {name!r} and the file gives {', '.join(outputs)}; export the bundle again")

    def setting(self, key: str, default: Any, *accepted: Any) -> Any:
        """A setting of `manifest.decode`; BundleError where it is none of the accepted ones, or of another type than the default."""
        found = self.manifest.decode.get(key, default)
        if accepted and found not in accepted:
            raise BundleError(f"decode.{key} is {found!r}; this runtime knows {', '.join(map(str, accepted))}: install the newer kvision-edge")
        if not accepted and (not isinstance(found, (int, float)) or isinstance(found, bool)):
            raise BundleError(f"decode.{key} is {found!r}, expected a number; export the bundle again")
        return found

    def count(self, key: str, default: int, most: int = MOST) -> int:
        """A whole number of `manifest.decode`, 1 to `most`; BundleError where it is none."""
        found = self.setting(key, default)
        if not 1 <= found <= most:
            raise BundleError(f"decode.{key} is {found!r}, expected 1 to {most}; export the bundle again")
        return int(found)

    def label(self, number: int) -> str:
        """Name of a class."""
        return self.manifest.labels[number] if 0 <= number < len(self.manifest.labels) else f"class {number}"
