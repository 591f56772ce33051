"""Semantic segmentation: the class of every pixel of the picture, at the picture's own size."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

import numpy as np
from PIL import Image

from kvision_edge import resize, tiling
from kvision_edge.errors import BundleError
from kvision_edge.postprocess import scores
from kvision_edge.postprocess.decoder import Answer, Arrays, Call, Decoder, Frame

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature

UNKNOWN = (128, 128, 128)
"""Colour of values that are no class."""
OPACITY = 0.55
"""Of the colours over a picture."""


@dataclass(frozen=True)
class Segmentation(Answer):
    """The class of every pixel.

    Attributes:
        classes: uint8 `[H, W]`, of the picture's size.
        outputs: What the network gives of its square, float32 `[S, S, K]`; none where the picture was cut into tiles.
        activation: Makes probabilities of it.
        labels: Names of the classes.
        colours: One `(r, g, b)` a class.
    """

    classes: np.ndarray = field(repr=False)
    outputs: Optional[np.ndarray] = field(repr=False)
    activation: str
    labels: Tuple[str, ...]
    colours: Tuple[Tuple[int, ...], ...] = field(repr=False)

    @property
    def probabilities(self) -> Optional[np.ndarray]:
        """float32 `[S, S, K]`, of the network's square; none where the picture was cut into tiles."""
        return None if self.outputs is None else scores.activated(self.outputs, self.activation)

    @cached_property
    def shares(self) -> Dict[str, float]:
        """Share of the pixels of each class that occurs, 0-1."""
        counts = np.bincount(self.classes.ravel(), minlength=len(self.labels))
        return {name: round(float(count / self.classes.size), 6) for name, count in zip(self.labels, counts) if count}

    def to_json(self) -> Dict[str, Any]:
        """Size of the mask and the classes' shares."""
        height, width = self.classes.shape
        return {"task": "segmentation", "width": width, "height": height, "classes": self.shares}

    def text(self) -> str:
        """A line for each class that occurs, the largest first."""
        ordered = sorted(self.shares.items(), key=lambda item: -item[1])
        return "\n".join(f"{share:7.2%}  {name}" for name, share in ordered)

    def pictures(self, image: np.ndarray) -> Dict[str, Image.Image]:
        """`mask`, a palette PNG whose values are the classes, and `overlay`, the classes' colours over the image; the first class is left clear."""
        mask = Image.frombytes("P", self.classes.shape[::-1], np.ascontiguousarray(self.classes).tobytes())
        mask.putpalette([value for colour in self.colours for value in colour])
        table = np.full((256, 3), UNKNOWN, np.uint8)
        table[: len(self.colours)] = self.colours
        opacity = np.where(self.classes == 0, 0.0, OPACITY).astype(np.float32)[..., None]
        over = np.rint(image * (1 - opacity) + table[self.classes] * opacity).astype(np.uint8)
        return {"mask": mask, "overlay": Image.fromarray(over)}


class Decode(Decoder):
    """Probabilities of the square, laid back over the picture, and the greatest of each pixel.

    Args:
        manifest: The bundle's manifest; `decode`: `output`, `activation`, and `stride_px` of the network (1), for tiles.
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._tile_px = 0 if manifest.preprocess is None or manifest.preprocess.fit == "resize" else manifest.preprocess.size_px
        self._stride_px = 1 if manifest.preprocess is None else self.count("stride_px", 1, manifest.preprocess.size_px)
        self._activation = self.setting("activation", "softmax", *scores.ACTIVATIONS)
        if not 1 <= len(manifest.labels) <= 256 or len(manifest.colours) != len(manifest.labels):
            raise BundleError(f"{len(manifest.labels)} labels and {len(manifest.colours)} colours: a mask takes 1 to 256, as many of both")

    def infer(self, call: Call, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """The network's outputs of the square; of a picture that keeps its resolution the classes of every pixel."""
        if not self._tile_px:
            return super().infer(call, inputs)
        ((name, canvas),) = inputs.items()

        def predict(tile: np.ndarray) -> np.ndarray:
            return scores.activated(self.output(call(self.signature, {name: tile})), self._activation)

        found = tiling.strips(canvas[0], self._tile_px, self._stride_px, predict)
        return {"classes": np.concatenate([resize.greatest(np.moveaxis(strip, -1, 0)) for strip in found])[None]}

    def sides(self, height: int, width: int) -> Optional[Tuple[int, int]]:
        """Height and width that a picture which keeps its resolution is padded to before it is cut into tiles."""
        if not self._tile_px:
            return None
        return tiling.padded(height, self._tile_px, self._stride_px), tiling.padded(width, self._tile_px, self._stride_px)

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Segmentation:
        """The class of every pixel of the picture."""
        frame = self.frame(frame)
        if self._tile_px:
            height, width = frame.size
            return Segmentation(outputs["classes"][0, :height, :width], None, self._activation, self.manifest.labels, self.manifest.colours)
        values, size = self.output(outputs), frame.preprocess.size_px
        if values.shape != (size, size, len(self.manifest.labels)):
            found = f"the network gives {list(values.shape)} for {len(self.manifest.labels)} classes"
            raise BundleError(f"{found} and a square of {size} px; export the bundle again")
        ranks = values if frame.size == values.shape[:2] else scores.activated(values, self._activation)  # the greatest logit is as good
        classes = frame.preprocess.restore_classes(ranks, *frame.size)
        return Segmentation(classes, values, self._activation, self.manifest.labels, self.manifest.colours)
