"""Inception v3: GoogLeNet's blocks with large kernels taken apart into small, and flat, ones.

Paper: Szegedy et al. 2016, arXiv 1512.00567; its label smoothing is `loss.label_smoothing`.
Deviations: filters and order of the branches as published in code (`keras.applications`, `torchvision`), for the paper does not give them all; no
auxiliary head. A small picture's stem is one 3x3 convolution.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`; S at least 75 with the stem for large pictures, else 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Chosen, NonNegative, Recipe
from kvision.layers.style import Style
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras

    from kvision.engine.pretrained import Pretrained

_POOLED = (32, 64, 64)
_FACTORED = (128, 160, 160, 192)
_SMALLEST_PX = {"imagenet": 75, "cifar": 15}


class InceptionOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    width: NonNegative = Field(1.0, gt=0.0, le=16.0, description="Factor on all filters.")
    blocks: tuple[Literal[0, 1, 2, 3], Literal[0, 1, 2, 3, 4], Literal[0, 1, 2]] = Field(
        (3, 4, 2), description="How many of its blocks each stage has, beside the two that halve the size."
    )
    stem: Stem = Field("auto", description="With strides and poolings, or none; `auto`: cifar below 75 px.")
    dropout: float = Field(0.2, ge=0.0, lt=1.0, description="Share of the features that is dropped before the logits in training.")

    def chosen(self) -> dict[str, Chosen]:
        """`stem`: by the size of the pictures."""
        return super().chosen() | chosen_stem(self.stem, _SMALLEST_PX["imagenet"])


class Inception(Classifier):
    """Three stages of inception blocks: with 5x5 kernels taken apart into 3x3, with 7x7 into 1x7 and 7x1, and with 3x3 into 1x3 and 3x1."""

    Options = InceptionOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Something must be left of the picture."""
        options: InceptionOptions = recipe.model  # type: ignore[assignment]
        problems, size_px = super().check(recipe), recipe.data.size_px
        smallest = _SMALLEST_PX["cifar" if options.stem == "auto" else options.stem]
        if size_px < smallest:
            hint = f"at least {smallest}" + (f", or from {_SMALLEST_PX['cifar']} on model.stem=cifar" if options.stem == "imagenet" else "")
            problems.append(("data.size_px", f"{size_px} is too small for the convolutions and poolings of stem={options.stem}; use {hint}"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last block's map, 8 px for 299 px."""
        options: InceptionOptions = self.recipe.model  # type: ignore[assignment]
        make = _Maker(options)
        small = small_stem(options.stem, self.recipe.data.size_px, _SMALLEST_PX["imagenet"])
        first, second, third = options.blocks
        x = make.convolution(image, "stem", 192, 3) if small else make.stem(image)
        for number, pooled in enumerate(_POOLED[:first]):
            x = make.block_a(x, pooled, f"a{number}")
        x = make.shrink_a(x, "a_shrink")
        for number, filters in enumerate(_FACTORED[:second]):
            x = make.block_b(x, filters, f"b{number}")
        x = make.shrink_b(x, "b_shrink")
        for number in range(third):
            x = make.block_c(x, f"c{number}")
        return x

    def imagenet(self) -> Pretrained:
        """Those of keras.applications."""
        from kvision.systems.classification import _keras_weights

        return _keras_weights.applications("InceptionV3", self.net, "tf")


class _Maker:
    """The blocks, with the options' width and style; each is named by its place, and each convolution by block, branch and number."""

    def __init__(self, options: InceptionOptions) -> None:
        self._options = options

    def convolution(
        self, x: keras.KerasTensor, name: str, filters: int, size: int | tuple[int, int], strides: int = 1, pad_px: int | None = None
    ) -> keras.KerasTensor:
        """Convolution, normalisation, activation."""
        from kvision.layers import blocks

        filters = max(1, round(filters * self._options.width))
        return blocks.convolution(x, filters, size, self._options, name=name, strides=strides, pad_px=pad_px)

    def chain(self, x: keras.KerasTensor, name: str, *layers: tuple[int, int | tuple[int, int]], shrink: bool = False) -> keras.KerasTensor:
        """Convolutions after each other, `(filters, size)` each; the last one halves the size where asked to."""
        for number, (filters, size) in enumerate(layers):
            last = shrink and number == len(layers) - 1
            x = self.convolution(x, f"{name}{number}", filters, size, strides=2 if last else 1, pad_px=0 if last else None)
        return x

    def stem(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """`[B, S, S, 3]` to about `[B, S / 8, S / 8, 192]`."""
        import keras

        x = self.convolution(image, "stem0", 32, 3, strides=2, pad_px=0)
        x = self.convolution(x, "stem1", 32, 3, pad_px=0)
        x = self.convolution(x, "stem2", 64, 3)
        x = keras.layers.MaxPooling2D(3, strides=2, name="stem_pool0")(x)
        x = self.convolution(x, "stem3", 80, 1)
        x = self.convolution(x, "stem4", 192, 3, pad_px=0)
        return keras.layers.MaxPooling2D(3, strides=2, name="stem_pool1")(x)

    def block_a(self, x: keras.KerasTensor, pooled: int, name: str) -> keras.KerasTensor:
        """1x1; 5x5; two 3x3 for another 5x5; pooling (figures 4 and 5)."""
        parts = [
            self.chain(x, f"{name}_single", (64, 1)),
            self.chain(x, f"{name}_five", (48, 1), (64, 5)),
            self.chain(x, f"{name}_double", (64, 1), (96, 3), (96, 3)),
        ]
        return self._joined([*parts, self._pooled(x, pooled, name)], name)

    def shrink_a(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Halves the size by strided 3x3 convolutions beside a pooling (figure 10)."""
        parts = [
            self.chain(x, f"{name}_single", (384, 3), shrink=True),
            self.chain(x, f"{name}_double", (64, 1), (96, 3), (96, 3), shrink=True),
        ]
        return self._joined([*parts, self._shrunk(x, name)], name)

    def block_b(self, x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
        """1x1; 1x7 and 7x1; both twice; pooling (figure 6, n = 7)."""
        row, column = (1, 7), (7, 1)
        parts = [
            self.chain(x, f"{name}_single", (192, 1)),
            self.chain(x, f"{name}_seven", (filters, 1), (filters, row), (192, column)),
            self.chain(x, f"{name}_double", (filters, 1), (filters, column), (filters, row), (filters, column), (192, row)),
        ]
        return self._joined([*parts, self._pooled(x, 192, name)], name)

    def shrink_b(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Halves the size likewise, one branch after 1x7 and 7x1."""
        parts = [
            self.chain(x, f"{name}_single", (192, 1), (320, 3), shrink=True),
            self.chain(x, f"{name}_seven", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), shrink=True),
        ]
        return self._joined([*parts, self._shrunk(x, name)], name)

    def block_c(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """1x1; 1x3 beside 3x1; the same after a 3x3; pooling (figure 7)."""
        parts = [self.chain(x, f"{name}_single", (320, 1))]
        for branch, layers in (("three", [(384, 1)]), ("double", [(448, 1), (384, 3)])):
            stump = self.chain(x, f"{name}_{branch}", *layers)
            sides = [self.convolution(stump, f"{name}_{branch}_{side}", 384, size) for side, size in (("row", (1, 3)), ("column", (3, 1)))]
            parts.append(self._joined(sides, f"{name}_{branch}"))
        return self._joined([*parts, self._pooled(x, 192, name)], name)

    def _pooled(self, x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
        import keras

        x = keras.layers.AveragePooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
        return self.convolution(x, f"{name}_pooled", filters, 1)

    def _shrunk(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        import keras

        return keras.layers.MaxPooling2D(3, strides=2, name=f"{name}_pool")(x)

    def _joined(self, parts: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
        import keras

        return keras.layers.Concatenate(name=name)(parts)
