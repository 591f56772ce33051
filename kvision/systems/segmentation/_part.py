"""What every semantic segmenter shares: losses, metrics from one confusion matrix, predictions and pictures.

Shapes: B batch, H W image, K classes; the network takes `[B, S, S, 3]` and gives float32 logits `[B, S, S, K]`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core import checks
from kvision.core.schema import NonNegative, Positive, Recipe, Section
from kvision.engine.system import Batch, Monitor, Prediction, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from kvision.data.preprocess import Preprocess
    from kvision.data.source import DataInfo
    from kvision.engine.optim import Update

_USED_BY = {
    "class_weights": ("ce", "ce_dice", "focal", "border_ce"),
    "label_smoothing": ("ce", "ce_dice"),
    "gamma": ("focal",),
    "border_w0": ("border_ce",),
    "border_sigma_px": ("border_ce",),
}


class SegmentationLoss(Section):
    """The loss of a segmenter, computed for each pixel in float32 and averaged over the counted pixels of each example."""

    name: Literal["ce", "dice", "ce_dice", "focal", "border_ce"] = Field(
        "ce",
        description="`ce`: cross-entropy; `dice`: soft Dice over the classes present; `ce_dice`: their sum; `focal` (Lin 2017); "
        "`border_ce`: cross-entropy with the U-Net paper's extra weight between close objects.",
    )
    class_weights: tuple[NonNegative, ...] | None = Field(None, description="One factor a class on its pixels' cross-entropy; none: all 1.")
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0, description="`ce`, `ce_dice`: share of the target spread evenly over the classes.")
    gamma: NonNegative = Field(2.0, description="`focal`: focusing exponent.")
    border_w0: NonNegative = Field(10.0, description="`border_ce`: extra weight where two objects touch.")
    border_sigma_px: Positive = Field(5.0, le=64.0, description="`border_ce`: reach of the extra weight, pixels.")


class Segmenter(System):
    """Assigns one of K classes to every pixel; a leaf gives `Options` and `build`, whose network is called `net`."""

    Loss = SegmentationLoss
    fields: ClassVar[frozenset[str]] = frozenset({"image", "mask"})
    monitor = Monitor("miou", "max")
    task = "segmentation"
    decision = "classes"
    dense = True
    staged = True
    gates: ClassVar[Mapping[str, float]] = {**System.gates, "quantized": 0.015}

    def __init__(self, recipe: Recipe, info: DataInfo) -> None:
        super().__init__(recipe, info)
        self.loss: SegmentationLoss = recipe.loss  # type: ignore[assignment]
        checks.one_for_each_class("loss.class_weights", self.loss.class_weights, info.class_names)
        if self.loss.name == "border_ce" and "instances" in info.fields:
            self.fields = frozenset({"image", "mask", "instances"})  # type: ignore[misc]

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Loss settings that the chosen loss does not look at."""
        return checks.without_effect("loss", recipe.loss, "loss.name", _USED_BY)

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """One update of the network on this replica's part of a batch."""
        return {"loss": updates["net"].minimize(self.example_losses, batch)}

    def example_losses(self, batch: Batch, training: bool = True) -> tf.Tensor:
        """The loss of each example `[B]`."""
        return self.losses(self.net(batch["image"], training=training), batch)

    def losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The recipe's loss of each example `[B]` for logits `[B, H, W, K]`."""
        from kvision.losses import segmentation

        loss, mask = self.loss, batch["mask"]
        if loss.name == "dice":
            return segmentation.dice(logits, mask)
        if loss.name == "focal":
            return segmentation.focal(logits, mask, gamma=loss.gamma, class_weights=loss.class_weights)
        if loss.name == "border_ce":
            return segmentation.cross_entropy(logits, mask, class_weights=loss.class_weights, pixel_weights=self._border_weights(batch))
        function = segmentation.cross_entropy if loss.name == "ce" else segmentation.cross_entropy_dice
        return function(logits, mask, class_weights=loss.class_weights, label_smoothing=loss.label_smoothing)

    def _border_weights(self, batch: Batch) -> tf.Tensor:
        """Extra weights `[B, H, W]` between objects: the source's instances, or else the region of each class but the first."""
        from kvision.losses import segmentation
        from kvision.ops import masks

        sigma_px = self.loss.border_sigma_px
        # Beyond 4 sigma the weight is below w0 exp(-8), which is 0.3 per thousand.
        distances = masks.two_nearest(batch.get("instances", batch["mask"]), math.ceil(4 * sigma_px))
        return segmentation.border_weights(distances, w0=self.loss.border_w0, sigma_px=sigma_px)

    def expected_initial_loss(self) -> float | None:
        """Of even probabilities 1/K: log K, times (1 - 1/K)^gamma for `focal`.

        `dice`: the middle of (K - 1) / (K + 1), where a class fills the picture, and 1, where it has hardly a pixel.
        """
        loss, num_classes = self.loss, self.info.num_classes
        if loss.class_weights is not None or loss.name == "border_ce":
            return None
        entropy, dice = math.log(num_classes), num_classes / (num_classes + 1)
        expected = {"ce": entropy, "dice": dice, "ce_dice": entropy + dice, "focal": (1 - 1 / num_classes) ** loss.gamma * entropy}
        return expected[loss.name]

    def eval_step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Sums: `loss`, `weight`, `confusion` int64 `[K, K]`, and the boundary counts int64 `[K]`; of each example `worst`, its mean IoU `[B]`."""
        import tensorflow as tf

        from kvision.metrics import boundary, confusion
        from kvision.ops import masks

        logits, mask, weight = self.net(batch["image"], training=False), batch["mask"], batch["weight"]
        predicted, num_classes = tf.argmax(logits, axis=-1, output_type=tf.int32), self.info.num_classes
        counts = boundary.count(mask, predicted, num_classes, masks.tolerance_px(mask.shape[1], mask.shape[2]))
        counts["confusion"] = confusion.count(mask, predicted, num_classes)
        kept = tf.cast(weight > 0, tf.int64)
        sums = {name: tf.tensordot(kept, value, 1) for name, value in counts.items()}
        sums |= {"loss": tf.reduce_sum(weight * self.losses(logits, batch)), "weight": tf.reduce_sum(weight)}
        return sums, {"worst": confusion.example_miou(counts["confusion"])}

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Metrics of the whole set of pixels.

        `miou`, `dice_macro` and `recall_macro` are plain means over the classes (`recall_macro`: over those in the truth; the others: over those
        that occur in truth or prediction); `fwiou` weights the IoU by the classes' true pixels; `boundary_f1_macro` is the mean over the classes
        with a boundary, at a tolerance of 0.75% of the diagonal; `loss` is the mean over the examples.
        """
        from kvision.metrics import boundary, confusion

        matrix = sums["confusion"]
        return {
            "loss": float(sums["loss"]) / float(sums["weight"]),
            "miou": confusion.macro(confusion.iou(matrix)),
            "dice_macro": confusion.macro(confusion.dice(matrix)),
            "pixel_accuracy": confusion.pixel_accuracy(matrix),
            "recall_macro": confusion.macro(confusion.recall(matrix)),
            "fwiou": confusion.frequency_weighted_iou(matrix),
            "boundary_f1_macro": confusion.macro(boundary.f1(sums)),
        }

    def tables(self, sums: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """`confusion` `[K, K]` in pixels, rows true, and `per_class` values, NaN for classes that do not occur."""
        from kvision.metrics import boundary, confusion

        matrix = sums["confusion"]
        values = {name: getattr(confusion, name)(matrix) for name in ("iou", "dice", "precision", "recall")}
        return {"confusion": matrix, "per_class": {**values, "boundary_f1": boundary.f1(sums), "pixels": matrix.sum(axis=1)}}

    def predict_step(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` float32 `[B, H, W, K]` and the most probable `classes` uint8 `[B, H, W]`."""
        import tensorflow as tf

        logits = self.net(image, training=False)
        return {"probabilities": tf.nn.softmax(logits), "classes": tf.cast(tf.argmax(logits, axis=-1), tf.uint8)}

    def decoding(self) -> dict[str, Any]:
        """The class of a pixel is the greatest of its logits; pictures that keep their resolution are cut at multiples of the network's stride."""
        from kvision.engine import dense

        stride = {"stride_px": dense.stride_px(self.net)} if self.recipe.data.fit == "crop" else {}
        return {"output": "logits", "activation": "softmax", **stride}

    def answer(self, output: Mapping[str, tf.Tensor], preprocess: Preprocess, height: tf.Tensor, width: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is served for one picture.

        Args:
            output: `probabilities` `[S, S, K]` are looked at.
            preprocess: How the picture was brought to the network's size.
            height: Of the picture itself, pixels, int32 scalar.
            width: Likewise.

        Returns:
            `mask_bytes`, a grey PNG of the picture's size whose values are classes; `class_names` `[K]`; `class_shares` `[K]` of the pixels.
        """
        import tensorflow as tf

        names = self.info.class_names
        classes = preprocess.classes(output["probabilities"], height, width)
        counts = tf.math.bincount(tf.cast(tf.reshape(classes, [-1]), tf.int32), minlength=len(names), maxlength=len(names), dtype=tf.float32)
        shares = tf.ensure_shape(counts / tf.cast(tf.size(classes), tf.float32), [len(names)])
        return {"mask_bytes": tf.io.encode_png(classes[..., None]), "class_names": tf.constant(names), "class_shares": shares}

    def prediction(self, image: np.ndarray, output: Mapping[str, np.ndarray]) -> Prediction:
        """`width`, `height` and the `classes`' shares of the pixels; an indexed PNG `mask` and an `overlay`."""
        import numpy as np
        from PIL import Image

        from kvision.data import palette
        from kvision.systems.segmentation import _picture

        classes, info = output["classes"], self.info
        height, width = classes.shape
        counts = np.bincount(classes.ravel(), minlength=info.num_classes)
        shares = {name: round(float(count / classes.size), 6) for name, count in zip(info.class_names, counts, strict=False) if count}
        shown = {"mask": _picture.indexed(classes, info.palette), "overlay": Image.fromarray(palette.overlay(image, classes, info.palette))}
        return Prediction({"width": width, "height": height, "classes": shares}, shown)

    def picture(self, image: np.ndarray, output: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray] | None) -> Image.Image:
        """The image, the truth if known, and the prediction side by side above a legend of the classes shown."""
        from kvision.systems.segmentation import _picture

        return _picture.side_by_side(image, None if truth is None else truth["mask"], output["classes"], self.info)
