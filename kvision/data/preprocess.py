"""From a picture of any size to what the network sees, and back: the one definition for training, evaluation, prediction and export."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL
from kvision.ops import boxes as box_ops

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_VISIBLE = 0.25
"""Smallest share of a box's area that must stay in the picture for the item to be kept."""
MOST_VALUES = 2**28
"""Most probabilities kept at once, 1 GiB: with more, pixels are classified at a lower resolution and the classes scaled up."""


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the square: scaled to `height` x `width`, its corner at `top`, `left` (negative: cut off); int32 scalars."""

    height: Any
    width: Any
    top: Any
    left: Any


@dataclass(frozen=True)
class Preprocess:
    """Brings pictures to a square of `size_px` and normalises them; all in the graph, for any input size, with a static shape out.

    `fit="resize"` scales the whole picture into the square, keeps its aspect and pads evenly on both sides. `fit="crop"` keeps the picture's
    own resolution and cuts out, or pads to, the square. Padding is the mean colour in images, 255 (ignored) in masks, 0 in instances.

    Attributes:
        size_px: Side S of the square, pixels.
        fit: `resize` or `crop`.
        mean: Mean of each RGB channel over the training split, 0-1.
        std: Standard deviation of each RGB channel over the training split, 0-1.
    """

    size_px: int
    fit: Literal["resize", "crop"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def to_json(self) -> str:
        """All that `from_json` needs to make an equal one."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Preprocess:
        """Inverse of `to_json`."""
        values = json.loads(text)
        return cls(int(values["size_px"]), values["fit"], tuple(values["mean"]), tuple(values["std"]))

    @property
    def padding(self) -> tuple[int, int, int]:
        """Colour of the padding: the mean colour, 0-255."""
        red, green, blue = (round(255 * mean) for mean in self.mean)
        return red, green, blue

    def resize(self, image: tf.Tensor, mask: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The picture, and its mask if there is one, brought into the square.

        Args:
            image: uint8 `[H, W, 3]`.
            mask: uint8 `[H, W]`, or none.

        Returns:
            Image uint8 `[S, S, 3]` (bilinear with antialiasing) and mask uint8 `[S, S]` (nearest) or none; the very same tensors where the
            picture already is the square.
        """
        example = {"image": image} if mask is None else {"image": image, "mask": mask}
        placed = self.place(example)
        return placed["image"], placed.get("mask")

    def place(self, example: Mapping[str, tf.Tensor], seed: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """`resize` for all fields of an example: images, masks, instances, and boxes with their labels and order.

        Args:
            example: Fields as `kvision.data.source.Split` describes them.
            seed: Integers `[2]`: where `fit="crop"` cuts at random; none: it cuts from the centre.

        Returns:
            The example, uint8 `[S, S, ...]`. Boxes of which less than a quarter is left become padding.
        """
        image = example["image"]
        if image.shape[:2].as_list() == [self.size_px, self.size_px]:
            return dict(example)
        where = self._placement(image, seed)
        out = dict(example)
        out["image"] = self._place(image, where, "bilinear", tf.constant(self.padding, tf.float32))
        for name, outside in (("mask", IGNORE_LABEL), ("instances", 0)):
            if name in example:
                out[name] = self._place(example[name][..., None], where, "nearest", tf.constant(outside, tf.float32))[..., 0]
        if "boxes" in example:
            size = tf.cast(tf.shape(image)[:2], tf.float32)
            scale = tf.stack([tf.cast(where.height, tf.float32), tf.cast(where.width, tf.float32)]) / size
            offset = tf.cast(tf.stack([where.top, where.left]), tf.float32)
            moved = example["boxes"] * tf.tile(scale, [2]) + tf.tile(offset, [2])
            out.update(box_ops.keep_visible(out, moved, self.size_px, self.size_px, MIN_VISIBLE))
        return out

    def fill(self, example: Mapping[str, tf.Tensor], window: tf.Tensor) -> dict[str, tf.Tensor]:
        """A part of an example's picture, stretched so that it fills the square.

        Args:
            example: As for `place`.
            window: Top, left, height and width of the part, pixels, int32 `[4]`.

        Returns:
            The example `[S, S, ...]`, boxes as `place` has them; the image float32, 0-255, bilinear, antialiased where it shrinks to less than half.
        """
        top, left, height, width = tf.unstack(window)
        square = [self.size_px, self.size_px]

        def cut(picture: tf.Tensor) -> tf.Tensor:
            return picture[top : top + height, left : left + width]

        image = cut(example["image"])
        shrinks = tf.maximum(height, width) > 2 * self.size_px  # below that antialiasing is hardly seen and takes four times as long
        smooth = tf.cond(shrinks, lambda: tf.image.resize(image, square, antialias=True), lambda: tf.image.resize(image, square))
        out = {**example, "image": smooth}
        for name in ("mask", "instances"):
            if name in example:
                out[name] = tf.image.resize(cut(example[name])[..., None], square, "nearest")[..., 0]
        if "boxes" in example:
            corner, sides = tf.cast(tf.stack([top, left]), tf.float32), tf.cast(tf.stack([height, width]), tf.float32)
            moved = (example["boxes"] - tf.tile(corner, [2])) * tf.tile(self.size_px / sides, [2])
            out.update(box_ops.keep_visible(out, moved, self.size_px, self.size_px, MIN_VISIBLE))
        return out

    def normalise(self, image: tf.Tensor) -> tf.Tensor:
        """`(x / 255 - mean) / std` as float32, for uint8 or float values 0-255 `[..., W, 3]`."""
        scale = tf.constant([1 / (255 * std) for std in self.std], tf.float32)
        shift = tf.constant([-mean / std for mean, std in zip(self.mean, self.std, strict=True)], tf.float32)
        return tf.cast(image, tf.float32) * scale + shift

    def restore(self, probabilities: tf.Tensor, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
        """What the network said of the square, laid back over the picture it was made from.

        Args:
            probabilities: `[S, S, K]`.
            height: H of the picture, pixels.
            width: W of the picture, pixels.

        Returns:
            `[H, W, K]`, bilinear; with `fit="crop"` the parts of the picture that the square did not hold are 0.
        """
        where = self._fit(tf.convert_to_tensor(height), tf.convert_to_tensor(width))
        inside = probabilities[tf.maximum(where.top, 0) : where.top + where.height, tf.maximum(where.left, 0) : where.left + where.width]
        if self.fit == "crop":
            top, left = tf.maximum(-where.top, 0), tf.maximum(-where.left, 0)
            bottom, right = height - top - tf.shape(inside)[0], width - left - tf.shape(inside)[1]
            return tf.pad(inside, [[top, bottom], [left, right], [0, 0]])
        if isinstance(height, int) and height == width == self.size_px:
            return inside
        size = tf.stack([height, width])
        # Where nothing shrinks, antialiasing changes nothing and takes eight times as long.
        grows = tf.reduce_all(size >= tf.shape(inside)[:2])
        return tf.cond(grows, lambda: tf.image.resize(inside, size), lambda: tf.image.resize(inside, size, antialias=True))

    def classes(self, probabilities: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """The most probable class of each pixel of the picture that the square was made from; in the graph.

        Args:
            probabilities: `[S, S, K]`.
            height: H of the picture, pixels, int32 scalar.
            width: W of the picture, likewise.

        Returns:
            uint8 `[H, W]`. Of a picture of more than `MOST_VALUES / K` pixels, scaled up from the classes at that many.
        """
        values = tf.cast(height, tf.float32) * tf.cast(width, tf.float32) * probabilities.shape[-1]
        shrink = tf.sqrt(tf.minimum(1.0, MOST_VALUES / values))
        if self.fit == "crop":  # the picture keeps its resolution
            shrink = tf.ones_like(shrink)
        rows, columns = (tf.maximum(1, tf.cast(tf.cast(side, tf.float32) * shrink, tf.int32)) for side in (height, width))
        found = tf.cast(tf.argmax(self.restore(probabilities, rows, columns), axis=-1), tf.uint8)
        size = tf.stack([height, width])
        return tf.cond(shrink < 1.0, lambda: tf.image.resize(found[..., None], size, "nearest")[..., 0], lambda: found)

    def _fit(self, height: tf.Tensor, width: tf.Tensor) -> Placement:
        """The letterbox of a picture of this size, or the square from its centre."""
        if self.fit == "resize":
            longest = tf.maximum(height, width)
            height = tf.maximum(1, (2 * height * self.size_px + longest) // (2 * longest))
            width = tf.maximum(1, (2 * width * self.size_px + longest) // (2 * longest))
        return Placement(height, width, (self.size_px - height) // 2, (self.size_px - width) // 2)

    def _placement(self, image: tf.Tensor, seed: tf.Tensor | None) -> Placement:
        """Where this picture goes; cut at random if there is a seed and it is larger than the square."""
        shape = tf.shape(image)
        where = self._fit(shape[0], shape[1])
        if seed is None or self.fit == "resize":
            return where
        room = tf.maximum(tf.stack([where.height, where.width]) - self.size_px, 0)
        draw = tf.random.stateless_uniform([2], seed) * tf.cast(room + 1, tf.float32)
        corner = tf.minimum(tf.cast(draw, tf.int32), room)
        return Placement(where.height, where.width, tf.where(room[0] > 0, -corner[0], where.top), tf.where(room[1] > 0, -corner[1], where.left))

    def _place(self, picture: tf.Tensor, where: Placement, method: str, outside: tf.Tensor) -> tf.Tensor:
        """One picture uint8 `[H, W, C]` scaled, padded and cut to uint8 `[S, S, C]`."""
        size = self.size_px
        if self.fit == "resize":
            picture = tf.image.resize(picture, tf.stack([where.height, where.width]), method=method, antialias=method == "bilinear")
        top, left = tf.maximum(-where.top, 0), tf.maximum(-where.left, 0)
        picture = tf.cast(picture[top : top + size, left : left + size], tf.float32)
        above, before = tf.maximum(where.top, 0), tf.maximum(where.left, 0)
        margins = [[above, size - above - tf.shape(picture)[0]], [before, size - before - tf.shape(picture)[1]], [0, 0]]
        picture = tf.pad(picture - outside, margins) + outside
        picture = tf.saturate_cast(tf.round(picture), tf.uint8)
        return tf.ensure_shape(picture, [size, size, picture.shape[-1]])


@dataclass(frozen=True)
class Whole(Preprocess):
    """For pictures that went through the network whole, at their own resolution: what the network said already lies over the picture."""

    def restore(self, probabilities: tf.Tensor, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
        """The probabilities `[H, W, K]` as they are."""
        del height, width
        return probabilities
