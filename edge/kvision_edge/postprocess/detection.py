"""Detection: boxes with a class and a score, the doubles among them suppressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

import numpy as np
from PIL import Image, ImageDraw

from kvision_edge.errors import BundleError
from kvision_edge.postprocess import scores
from kvision_edge.postprocess.decoder import Answer, Arrays, Decoder, Frame

if TYPE_CHECKING:
    from kvision_edge.manifest import Manifest, Signature

INK = (255, 38, 38)


@dataclass(frozen=True)
class Detection(Answer):
    """The objects of a picture, the surest first.

    Attributes:
        boxes: float32 `[N, 4]`: ymin, xmin, ymax, xmax in pixels of the picture.
        classes: int64 `[N]`.
        scores: float32 `[N]`, 0-1.
        labels: Names of the objects' classes.
        colours: One `(r, g, b)` for each class of the model.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    labels: Tuple[str, ...]
    colours: Tuple[Tuple[int, ...], ...] = field(repr=False)

    def to_json(self) -> Dict[str, Any]:
        """One entry an object."""
        rows = zip(self.boxes.tolist(), self.classes.tolist(), self.labels, self.scores.tolist())
        found = [{"box": [round(v, 2) for v in box], "class": n, "label": label, "score": round(s, 6)} for box, n, label, s in rows]
        return {"task": "detection", "objects": found}

    def text(self) -> str:
        """A line an object: score, label, box."""
        rows = zip(self.scores, self.labels, self.boxes)
        lines = [f"{score:7.2%}  {label}  y {box[0]:.0f}-{box[2]:.0f} x {box[1]:.0f}-{box[3]:.0f}" for score, label, box in rows]
        return "\n".join(lines) or "nothing found"

    def pictures(self, image: np.ndarray) -> Dict[str, Image.Image]:
        """`overlay`: the boxes over the image."""
        drawn = Image.fromarray(image)
        draw = ImageDraw.Draw(drawn)
        for box, number, label in zip(self.boxes.tolist(), self.classes.tolist(), self.labels):
            colour = tuple(self.colours[number]) if number < len(self.colours) and any(self.colours[number]) else INK
            draw.rectangle((box[1], box[0], box[3], box[2]), outline=colour)
            draw.text((box[1] + 2, box[0] + 1), label, fill=colour)
        return {"overlay": drawn}


def non_max_suppression(boxes: np.ndarray, ranks: np.ndarray, most: int, iou_threshold: float, score_threshold: float) -> np.ndarray:
    """Keeps the best box of each heap of boxes, as `tf.image.non_max_suppression`.

    Args:
        boxes: float32 `[N, 4]`, two opposite corners each, y before x.
        ranks: Their scores float32 `[N]`.
        most: Most boxes to keep.
        iou_threshold: Boxes that overlap a kept one by more are dropped.
        score_threshold: Boxes that do not score more are dropped.

    Returns:
        Indices of the kept boxes, the best first; of equal scores the first.
    """
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    areas = (high[:, 0] - low[:, 0]) * (high[:, 1] - low[:, 1])
    kept: List[int] = []
    for number in np.argsort(-ranks, kind="stable"):
        if len(kept) >= most or not ranks[number] > score_threshold:
            break
        sides = np.maximum(np.minimum(high[kept], high[number]) - np.maximum(low[kept], low[number]), 0.0)
        shared = sides[:, 0] * sides[:, 1]
        union = areas[kept] + areas[number] - shared
        # An empty box overlaps nothing, as in TensorFlow.
        filled = (areas[kept] > 0) & (areas[number] > 0)
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=filled)
        if not (overlap > iou_threshold).any():
            kept.append(int(number))
    return np.array(kept, np.int64)


class Decode(Decoder):
    """Suppresses doubles class by class, and lays the boxes over the picture.

    Args:
        manifest: The bundle's manifest; `decode`: `boxes` and `scores`, names of the outputs `[1, N, 4]` (ymin, xmin, ymax, xmax, pixels of the
            square) and `[1, N, K]`; `activation` (`sigmoid`), `iou_threshold` (0.5), `score_threshold` (0.05), `max_boxes` (100).
        signatures: The functions of the file that is run.

    Raises:
        BundleError: If the settings do not fit.
    """

    def __init__(self, manifest: Manifest, signatures: Mapping[str, Signature]) -> None:
        super().__init__(manifest, signatures)
        self._activation = self.setting("activation", "sigmoid", *scores.ACTIVATIONS)
        self._iou = float(self.setting("iou_threshold", 0.5))
        self._least = float(self.setting("score_threshold", 0.05))
        self._most = self.count("max_boxes", 100)

    def answer(self, outputs: Arrays, frame: Optional[Frame]) -> Detection:
        """The objects of the picture."""
        frame = self.frame(frame)
        boxes, probabilities = self.output(outputs, "boxes"), scores.activated(self.output(outputs, "scores"), self._activation)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or probabilities.ndim != 2 or len(boxes) != len(probabilities):
            raise BundleError(f"boxes {list(boxes.shape)} and scores {list(probabilities.shape)} do not fit; export the bundle again")
        found: List[Tuple[float, int, int]] = []
        for number in range(probabilities.shape[1]):
            kept = non_max_suppression(boxes, probabilities[:, number], self._most, self._iou, self._least)
            found += [(float(probabilities[index, number]), number, int(index)) for index in kept]
        found = sorted(found, key=lambda each: -each[0])[: self._most]
        places = frame.preprocess.restore_boxes(boxes[[index for _, _, index in found]], *frame.size)
        classes = np.array([number for _, number, _ in found], np.int64)
        values = np.array([score for score, _, _ in found], np.float32)
        return Detection(places, classes, values, tuple(self.label(number) for _, number, _ in found), self.manifest.colours)
