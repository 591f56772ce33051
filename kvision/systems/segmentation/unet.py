"""U-Net: an encoder and a decoder of equal depth, joined at every level, classify each pixel.

Paper: Ronneberger, Fischer & Brox 2015, arXiv 1505.04597.
Deviations: convolutions are padded to `same`, so that logits are as large as the image and need no cropping; normalisation stands between each
3x3 convolution and its ReLU (the paper has none: `norm: none`); 32 to 256 filters instead of 64 to 1024; up-samplings without weights follow a
1x1 convolution to the level's filters where the paper's up-convolution is 2x2; dropout, off by default, stands at the end of the bottom level only.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, S, S, K]`; S a multiple of 2**depth.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from kvision.core.schema import Chosen, Recipe, Section
from kvision.systems.segmentation._part import Segmenter

if TYPE_CHECKING:
    import keras

MOST_FILTERS = 8192
GROUPS = 8
Filters = Annotated[int, Field(ge=1, le=MOST_FILTERS)]


class UNetOptions(Section):
    """Size and make of the network."""

    width: Filters = Field(32, description="Filters of the first level; each level below has twice as many.")
    depth: int = Field(3, ge=1, le=10, description="Number of down-samplings by two.")
    filters: tuple[Filters, ...] | None = Field(
        None, min_length=2, max_length=11, description="Filters of each level from the top, in place of `width` and `depth`; none: from these two."
    )
    norm: Literal["batch", "group", "none"] = Field("batch", description="Normalisation after each 3x3 convolution; `group`: 8 groups.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the bottom level's activations that is dropped in training.")
    upsampling: Literal["transposed", "nearest", "bilinear", "bicubic", "bed_of_nails", "max_unpool"] = Field(
        "transposed", description="How the decoder doubles the size; `max_unpool` puts values back where the encoder's maxima stood."
    )
    skips: bool = Field(True, description="Join each encoder level to the decoder; false: the control experiment without.")

    @property
    def levels(self) -> tuple[int, ...]:
        """Filters of each level, from the top to the bottom."""
        return self.filters or tuple(self.width * 2**level for level in range(self.depth + 1))

    def chosen(self) -> dict[str, Chosen]:
        """`filters`: from `width` and `depth`."""
        return {} if self.filters else {"filters": Chosen(f"width={self.width}, doubled depth={self.depth} times", list(self.levels))}


class UNet(Segmenter):
    """U-Net for square images of `data.size_px`."""

    Options = UNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The size must halve evenly `depth` times, and the widest level must fit."""
        options: UNetOptions = recipe.model  # type: ignore[assignment]
        problems, size_px = super().check(recipe), recipe.data.size_px
        depth = len(options.levels) - 1
        factor = 2**depth
        if size_px % factor:
            deepest = (size_px & -size_px).bit_length() - 1
            multiple = max(factor, round(size_px / factor) * factor)
            path, instead = ("model.filters", "levels") if options.filters else ("model.depth", "depth")
            fewer = f"{instead} <= {deepest + bool(options.filters)} or " if deepest else ""
            nearest = f", such as {multiple}" if multiple != factor else ""
            problems.append(
                (path, f"{depth} does not divide size_px={size_px} by 2**{depth}; use {fewer}a size_px that is a multiple of {factor}{nearest}")
            )
        widest = max(options.levels)
        if widest > MOST_FILTERS:
            problems.append(
                ("model.width", f"{options.width} doubled {depth} times makes {widest} filters, of at most {MOST_FILTERS}; use less width or depth")
            )
        return problems

    def build(self) -> dict[str, keras.Model]:
        """The network `net`: normalised image `[B, S, S, 3]` to float32 logits `[B, S, S, K]`."""
        import keras

        from kvision.layers import resampling
        from kvision.layers.convolution import Logits
        from kvision.layers.dropout import Dropout

        options: UNetOptions = self.recipe.model  # type: ignore[assignment]
        size_px = self.recipe.data.size_px
        *levels, bottom = options.levels
        image = keras.Input((size_px, size_px, 3), name="image")
        x, ends = image, []
        for number, filters in enumerate(levels):
            end = _convolutions(x, filters, options.norm, f"encoder{number}")
            if options.upsampling == "max_unpool":
                x, indices = resampling.MaxPoolWithIndices(name=f"pool{number}")(end)
            else:
                x, indices = keras.layers.MaxPooling2D(2, name=f"pool{number}")(end), None
            ends.append((end, indices))
        x = _convolutions(x, bottom, options.norm, "bottom")
        if options.dropout:
            x = Dropout(options.dropout, name="bottom_dropout")(x)
        for number, filters in reversed(list(enumerate(levels))):
            end, indices = ends[number]
            x = _upsample(x, filters, options.upsampling, indices, f"up{number}")
            if options.skips:
                x = keras.layers.Concatenate(name=f"skip{number}")([end, x])
            x = _convolutions(x, filters, options.norm, f"decoder{number}")
        logits = Logits(self.info.num_classes, 1, kernel_initializer="he_normal", name="logits")(x)
        return {"net": keras.Model(image, logits, name="unet")}


def _convolutions(x: keras.KerasTensor, filters: int, norm: str, name: str) -> keras.KerasTensor:
    """Twice: 3x3 convolution, normalisation, ReLU."""
    import keras

    from kvision.layers.activation import ReLU
    from kvision.layers.normalization import BatchNormalization

    for half in ("a", "b"):
        # The normalisation's offset stands in for the bias.
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=norm == "none", kernel_initializer="he_normal", name=f"{name}{half}_conv")(x)
        if norm == "batch":
            x = BatchNormalization(name=f"{name}{half}_norm")(x)
        elif norm == "group":
            x = keras.layers.GroupNormalization(math.gcd(filters, GROUPS), name=f"{name}{half}_norm")(x)
        x = ReLU(name=f"{name}{half}_relu")(x)
    return x


def _upsample(x: keras.KerasTensor, filters: int, upsampling: str, indices: keras.KerasTensor | None, name: str) -> keras.KerasTensor:
    """Doubles the size and brings the channels to `filters`."""
    import keras

    from kvision.layers import resampling
    from kvision.layers.convolution import Conv2DTranspose

    if upsampling == "transposed":
        return Conv2DTranspose(filters, 2, strides=2, kernel_initializer="he_normal", name=name)(x)
    # A 1x1 convolution and an interpolation commute, and before it the convolution costs a quarter.
    x = keras.layers.Conv2D(filters, 1, kernel_initializer="he_normal", name=f"{name}_conv")(x)
    if indices is not None:
        return resampling.MaxUnpool(name=name)(x, indices)
    return resampling.LAYERS[upsampling](name=name)(x)
