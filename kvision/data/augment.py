"""Random changes of training examples, applied jointly to image, mask, instances and boxes.

Every transform has its own row of random numbers, a pure function of the seed, so that what one transform draws never depends on the others.
Rotation, scale-crop, shear, elastic and lens distortion and moves are composed into one lookup, so that a picture is resampled once at most, and once
more by each operation of RandAugment; a transform that is not drawn costs nothing. Resized crops come first, from the picture as it is stored. The
image is mirrored beyond its edges; masks are 255 (ignored) and instances 0 there.

Boxes follow through the ellipse inscribed in them and are cut to the picture; those of which less than a quarter is left are dropped: the row of
`boxes`, `labels` and `order` becomes -1, while `instances` keep what is left. Cutout hides the image and ignores the mask, and leaves boxes alone,
as something standing in front would. Zooming out by less than a half is sampled without antialiasing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL
from kvision.data import randaugment
from kvision.data.preprocess import MIN_VISIBLE, Preprocess
from kvision.ops import boxes as box_ops
from kvision.ops import colour, filters, geometry
from kvision.ops.geometry import Warp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.core.schema import AugmentOptions

TRANSFORMS = (
    *("flip_x", "flip_y", "rotate", "scale", "shear", "elastic", "lens"),
    *("colour", "blur", "noise", "cutout"),
    *("translate", "resized_crop", "randaugment"),
)
"""Rows of the table of random numbers; a new transform goes to the end, so that the others keep their draws."""
NUM_DRAWS = 5
MOST_TURN_DEG = 45.0
"""Beyond this what is above another thing may no longer be."""
MOST_HUE = 0.1
"""Beyond this, a fraction of the circle, red may become yellow."""
Fields = dict[str, tf.Tensor]


def is_identity(options: AugmentOptions) -> bool:
    """Whether no transform is ever drawn."""
    return not any(getattr(options, name) for name in TRANSFORMS)


def falsifying(options: AugmentOptions) -> list[str]:
    """The changes in use that can make false what sentences say of a picture: where things are, and what colour they have."""
    turned = ["rotate"] if options.rotate and options.rotate_deg > MOST_TURN_DEG else []
    coloured = ["colour"] if options.colour and options.hue > MOST_HUE else []
    return [*(name for name in ("flip_x", "flip_y", "randaugment") if getattr(options, name)), *turned, *coloured]


def ends_with_colour(options: AugmentOptions) -> bool:
    """Whether colours are the last thing that changes, mixing included, so that a picture can be normalised in the same pass."""
    return options.colour > 0.0 and not (options.blur or options.noise or options.cutout or options.mixup or options.cutmix)


def augment(
    example: Mapping[str, tf.Tensor],
    options: AugmentOptions,
    seed: tf.Tensor,
    *,
    padding: tuple[int, int, int] = (127, 127, 127),
    normalise: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> Fields:
    """The example, changed at random: a pure function of its arguments.

    Args:
        example: `image` uint8 `[H, W, 3]` of static size, and any of `mask`, `instances`, `boxes`, `labels`, `order`; other fields pass unchanged.
        options: Which transforms, how often and how strong.
        seed: Integers `[2]`.
        padding: Colour of erased squares, 0-255.
        normalise: Is applied to the image in the pass that changes its colours, for options that `ends_with_colour`; none: nothing is.

    Returns:
        The same shapes. `image` is float32, 0-255 or normalised, unless flips are all there is; all bits stay where no transform is ever drawn.
    """
    fields = dict(example)
    if is_identity(options):
        return fields
    random = _Draws(options, tf.random.stateless_uniform([len(TRANSFORMS), NUM_DRAWS], seed), seed)
    for axis, name in ((1, "flip_x"), (0, "flip_y")):
        fields = random.maybe(name, fields, lambda old, axis=axis: flip(old, axis))
    if not any(getattr(options, name) for name in TRANSFORMS[2:] if name != "resized_crop"):
        return fields
    fields["image"] = tf.cast(fields["image"], tf.float32)
    fields = _warp(fields, random)
    fields = random.maybe("randaugment", fields, lambda old: randaugment.apply(old, options, random.seed("randaugment"), warp))
    if normalise is not None:
        return {**fields, "image": _coloured(fields["image"], random, normalise)}
    fields["image"] = random.maybe("colour", fields["image"], lambda image: _adjust(image, *_draw_colour(random)))
    fields["image"] = random.maybe("blur", fields["image"], lambda image: _blur(image, random))
    fields["image"] = random.maybe("noise", fields["image"], lambda image: _noise(image, random))
    return random.maybe("cutout", fields, lambda old: _cutout(old, random, padding))


def part(example: Mapping[str, tf.Tensor], options: AugmentOptions, seed: tf.Tensor, preprocess: Preprocess) -> Fields:
    """The example in the square: a random part of its picture that fills it, if one is drawn, else the whole of it.

    Args:
        example: As `augment` takes it, but of any size.
        options: How often, and how large the part is.
        seed: Integers `[2]`, those of `augment`.
        preprocess: Brings pictures into the square.

    Returns:
        The fields, `[S, S, ...]`; `image` is float32, 0-255.

    References:
        Szegedy et al. 2015, Going deeper with convolutions, section 6.
    """
    random = _Draws(options, tf.random.stateless_uniform([len(TRANSFORMS), NUM_DRAWS], seed), seed)

    def whole() -> Fields:
        placed = preprocess.place(example)
        return {**placed, "image": tf.cast(placed["image"], tf.float32)}

    def filled() -> Fields:
        return preprocess.fill(example, _draw_window(random, tf.shape(example["image"])[:2]))

    return filled() if options.resized_crop == 1.0 else tf.cond(random.drawn("resized_crop"), filled, whole)


class _Draws:
    """The table of random numbers of one example, and what follows from it."""

    def __init__(self, options: AugmentOptions, table: tf.Tensor, seed: tf.Tensor) -> None:
        self.options = options
        self._table = table
        self._seed = seed

    def never(self, name: str) -> bool:
        """Whether the recipe leaves this transform out, so that the graph needs no nodes for it."""
        return getattr(self.options, name) == 0.0

    def drawn(self, name: str) -> tf.Tensor:
        """Whether this transform is applied, bool scalar."""
        return self._table[TRANSFORMS.index(name), 0] < getattr(self.options, name)

    def between(self, name: str, column: int, low: float, high: float) -> tf.Tensor:
        """Random number `column` (from 1 on) of this transform, uniform in low..high."""
        return low + (high - low) * self._table[TRANSFORMS.index(name), column]

    def around(self, name: str, column: int, largest: float) -> tf.Tensor:
        """Random number of this transform, uniform in +-largest; 0 if the transform is not drawn."""
        return tf.where(self.drawn(name), self.between(name, column, -largest, largest), 0.0)

    def seed(self, name: str) -> tf.Tensor:
        """The transform's own seed, for more numbers than the table has."""
        return tf.random.experimental.stateless_fold_in(self._seed, TRANSFORMS.index(name))

    def maybe(self, name: str, value: tf.Tensor | Fields, change: Callable[..., tf.Tensor | Fields]) -> tf.Tensor | Fields:
        """The changed value if this transform is drawn, else the value."""
        if self.never(name):
            return value
        if getattr(self.options, name) == 1.0:
            return change(value)
        return tf.cond(self.drawn(name), lambda: change(value), lambda: value)


def flip(fields: Fields, axis: int) -> Fields:
    """An example flipped up-down (axis 0) or left-right (axis 1), boxes too."""
    out = dict(fields)
    for name in ("image", "mask", "instances"):
        if name in fields:
            out[name] = tf.reverse(fields[name], [axis])
    if "boxes" in fields:
        out["boxes"] = box_ops.mirrored(fields["boxes"], fields["image"].shape[axis], axis)
    return out


def _warp(fields: Fields, random: _Draws) -> Fields:
    """Rotation, scale-crop, shear, elastic and lens distortion in one resampling, if any of them is drawn."""
    used = [name for name in ("rotate", "scale", "shear", "lens", "translate") if not random.never(name)]
    height, width, _ = fields["image"].shape

    def bend(displacement: tf.Tensor | None = None) -> Fields:
        return warp(fields, _draw_warp(random, height, width, displacement))

    def plain() -> Fields:
        if not used:
            return fields
        return tf.cond(tf.reduce_any([random.drawn(name) for name in used]), bend, lambda: fields)

    if random.never("elastic"):
        return plain()

    def elastic() -> Fields:
        cell_px = max(4, min(height, width) // 8)
        return bend(geometry.smooth_displacement(height, width, random.options.elastic_px, cell_px, random.seed("elastic")))

    return tf.cond(random.drawn("elastic"), elastic, plain)


def _draw_warp(random: _Draws, height: int, width: int, displacement: tf.Tensor | None) -> Warp:
    """The lookup of the transforms that are drawn; those that are not have no part in it."""
    options = random.options
    low, high = (math.log(factor) for factor in options.scale_range)
    zoom = tf.where(random.drawn("scale"), tf.exp(random.between("scale", 1, low, high)), 1.0)
    angle = random.around("rotate", 1, math.radians(options.rotate_deg))
    shear = random.around("shear", 1, math.radians(options.shear_deg))
    centre = tf.stack([random.around("scale", 2, 1.0), random.around("scale", 3, 1.0)])
    matrix = geometry.affine(height, width, angle, zoom, shear, centre)
    if not random.never("translate"):
        down, right = (tf.round(random.around("translate", column, options.translate_share * side)) for column, side in ((1, height), (2, width)))
        matrix = geometry.composed(matrix, geometry.moved(down, right))
    return Warp(matrix, random.around("lens", 1, options.lens_strength), displacement)


def _draw_window(random: _Draws, sides: tf.Tensor) -> tf.Tensor:
    """A part of random area and shape, cut to the picture's sides int32 `[2]`: top, left, height and width, int32 `[4]`."""
    options, lengths = random.options, tf.cast(sides, tf.float32)
    area = random.between("resized_crop", 1, *options.crop_area) * tf.reduce_prod(lengths)
    aspect = tf.exp(random.between("resized_crop", 2, *(math.log(ratio) for ratio in options.crop_aspect)))
    size = tf.cast(tf.round(tf.sqrt(tf.stack([area / aspect, area * aspect]))), tf.int32)
    size = tf.clip_by_value(size, 1, sides)
    place = tf.stack([random.between("resized_crop", column, 0.0, 1.0) for column in (3, 4)])
    room = sides - size
    return tf.concat([tf.minimum(tf.cast(place * tf.cast(room + 1, tf.float32), tf.int32), room), size], 0)


def warp(fields: Fields, by: Warp) -> Fields:
    """An example warped: image bilinear, mask and instances nearest, boxes through `kvision.ops.boxes.outline`."""
    out = dict(fields)
    height, width, _ = fields["image"].shape
    pictures = {name: fields[name] for name in ("image", "mask", "instances") if name in fields}
    out.update(_resample(pictures, by.matrix, by.lens, by.displacement))
    if "boxes" in fields:
        points = box_ops.outline(fields["boxes"])
        moved = tf.reshape(geometry.forward(tf.reshape(points, [-1, 2]), by, height, width), tf.shape(points))
        out.update(box_ops.keep_visible(fields, box_ops.around(moved), height, width, MIN_VISIBLE))
    return out


@tf.function(jit_compile=True)
def _resample(pictures: Fields, matrix: tf.Tensor, lens: tf.Tensor, displacement: tf.Tensor | None) -> Fields:
    """All pictures looked up at the same points; XLA makes one loop of it, three times as quick as op by op."""
    height, width, _ = pictures["image"].shape
    points = geometry.lookup(Warp(matrix, lens, displacement), height, width)
    outside = {"mask": IGNORE_LABEL, "instances": 0}
    out = {name: geometry.sample_nearest(pictures[name], points, outside[name]) for name in pictures if name != "image"}
    out["image"] = geometry.sample_bilinear(pictures["image"], points)
    return out


def _draw_colour(random: _Draws) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Brightness, contrast, saturation and hue, as `kvision.ops.colour.adjust` takes them."""
    options = random.options
    return (
        random.between("colour", 1, -options.brightness, options.brightness),
        random.between("colour", 2, 1 - options.contrast, 1 + options.contrast),
        random.between("colour", 3, 1 - options.saturation, 1 + options.saturation),
        random.between("colour", 4, -options.hue, options.hue),
    )


def _coloured(image: tf.Tensor, random: _Draws, normalise: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The image normalised, its colours changed if they are drawn: in one loop of XLA's, while it is in the processor's cache."""

    @tf.function(jit_compile=True)
    def changed(image: tf.Tensor, *how: tf.Tensor) -> tf.Tensor:
        return normalise(colour.adjust(image, *how))

    if random.options.colour == 1.0:
        return changed(image, *_draw_colour(random))
    plain = tf.function(normalise, jit_compile=True)
    return tf.cond(random.drawn("colour"), lambda: changed(image, *_draw_colour(random)), lambda: plain(image))


def _blur(image: tf.Tensor, random: _Draws) -> tf.Tensor:
    """Gaussian blur of a random width above 0."""
    largest = random.options.blur_px
    if largest == 0.0:
        return image
    return _gaussian_blur(image, random.between("blur", 1, 0.05 * largest, largest), largest)


def _noise(image: tf.Tensor, random: _Draws) -> tf.Tensor:
    """Gaussian noise of a random strength."""
    return filters.gaussian_noise(image, random.between("noise", 1, 0.0, random.options.noise_std), random.seed("noise"))


_adjust = tf.function(colour.adjust, jit_compile=True)
_gaussian_blur = tf.function(filters.gaussian_blur, jit_compile=True)


def _cutout(fields: Fields, random: _Draws, padding: tuple[int, int, int]) -> Fields:
    """One square of the image erased and of the mask ignored."""
    height, width, _ = fields["image"].shape
    centre = tf.stack([random.between("cutout", 1, 0.0, 1.0), random.between("cutout", 2, 0.0, 1.0)])
    erased = filters.square(height, width, random.options.cutout_size, centre)
    out = {**fields, "image": tf.where(erased[..., None], tf.constant(padding, tf.float32), fields["image"])}
    for name, value in (("mask", IGNORE_LABEL), ("instances", 0)):
        if name in fields:
            out[name] = tf.where(erased, tf.constant(value, fields[name].dtype), fields[name])
    return out
