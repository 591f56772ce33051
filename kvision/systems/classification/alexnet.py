"""AlexNet: the deep convolutional network with ReLUs and dropout that won ImageNet in 2012; and ZFNet, its refinement of 2013.

Paper: Krizhevsky, Sutskever & Hinton 2012 (NIPS); filters as in Krizhevsky 2014, arXiv 1404.5997; `kind: zfnet`: Zeiler & Fergus 2014, arXiv
1311.2901.
Deviations: no local response (AlexNet) or contrast (ZFNet) normalisation; one column of filters (`groups: 2` with `filters: [96, 256, 384, 384,
256]` is the paper's pair of GPUs); the stem for small pictures is a convolution with stride 1, 5x5 in AlexNet and 3x3 in ZFNet.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from kvision.core.schema import Chosen, Count, NonNegative, Recipe
from kvision.layers.style import Norm, Style
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras

Five = tuple[Count, Count, Count, Count, Count]


class _Stem(NamedTuple):
    """The first two convolutions: size, strides and padding; how they are pooled; the least size of a picture."""

    first: tuple[int, int, int]
    second: tuple[int, int, int]
    pooling: Literal["valid", "same"]
    smallest_px: int


_FILTERS = {"alexnet": (64, 192, 384, 256, 256), "zfnet": (96, 256, 384, 384, 256)}
_STEMS = {
    ("alexnet", "imagenet"): _Stem((11, 4, 2), (5, 1, 2), "valid", 63),
    ("zfnet", "imagenet"): _Stem((7, 2, 1), (5, 2, 0), "same", 53),
    ("alexnet", "cifar"): _Stem((5, 1, 2), (5, 1, 2), "valid", 15),
    ("zfnet", "cifar"): _Stem((3, 1, 1), (5, 1, 2), "valid", 15),
}


class AlexNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    kind: Literal["alexnet", "zfnet"] = Field("alexnet", description="`zfnet`: smaller filters and strides at the beginning, more filters.")
    filters: Five | None = Field(None, description="Filters of the five convolutions, before `width`; none: by `kind`.")
    width: NonNegative = Field(1.0, gt=0.0, le=16.0, description="Factor on all filters.")
    hidden: tuple[Count, ...] = Field((4096, 4096), max_length=8, description="Units of each hidden layer.")
    groups: Count = Field(1, description="Groups of the second, fourth and fifth convolution; 2 in the paper, one for each GPU.")
    stem: Stem = Field("auto", description="Strides at the beginning, or none; `auto`: cifar below 64 px.")
    norm: Norm = Field("none", description="Normalisation after each convolution.")
    dropout: float = Field(0.5, ge=0.0, lt=1.0, description="Share of each hidden layer's outputs that is dropped in training.")

    def chosen(self) -> dict[str, Chosen]:
        """`filters`: by the kind; `stem`: by the size of the pictures."""
        return super().chosen() | self.left_open(f"kind={self.kind}", filters=list(_FILTERS[self.kind])) | chosen_stem(self.stem)


class AlexNet(Classifier):
    """Five convolutions, three poolings and two hidden layers."""

    Options = AlexNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Something must be left of the picture, and the groups must divide the filters."""
        options: AlexNetOptions = recipe.model  # type: ignore[assignment]
        problems, size_px = super().check(recipe), recipe.data.size_px
        stem = _stem(options, size_px)
        if size_px < stem.smallest_px:
            small = _STEMS[options.kind, "cifar"].smallest_px
            hint = f"at least {stem.smallest_px}" + (f", or from {small} on model.stem=cifar" if stem.smallest_px > small else "")
            problems.append(("data.size_px", f"{size_px} is too small for the convolutions and poolings of {options.kind}; use {hint}"))
        filters = _filters(options)
        number, count = next(((number, count) for number, count in enumerate(filters, 1) if count % options.groups), (0, 0))
        if number:
            hint = f"{count}, the filters of convolution {number}; use 1 or 2, or other filters"
            problems.append(("model.groups", f"{options.groups} does not divide {hint}"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last hidden layer `[B, D]`."""
        import keras

        from kvision.layers import blocks, dense

        options: AlexNetOptions = self.recipe.model  # type: ignore[assignment]
        stem, filters = _stem(options, self.recipe.data.size_px), _filters(options)
        x, sizes = image, (stem.first, stem.second, *[(3, 1, 1)] * 3)
        for number, (count, (size, strides, pad_px)) in enumerate(zip(filters, sizes, strict=True), 1):
            groups = options.groups if number in (2, 4, 5) else 1
            x = blocks.convolution(x, count, size, options, name=f"conv{number}", strides=strides, pad_px=pad_px, groups=groups)
            if number in (1, 2, 5):
                x = keras.layers.MaxPooling2D(3, strides=2, padding="valid" if number == 5 else stem.pooling, name=f"pool{number}")(x)
        return dense.hidden(x, options.hidden, options, dropout=options.dropout)


def _stem(options: AlexNetOptions, size_px: int) -> _Stem:
    """The beginning for pictures of this size."""
    small = small_stem(options.stem, size_px)
    return _STEMS[options.kind, "cifar" if small else "imagenet"]


def _filters(options: AlexNetOptions) -> list[int]:
    """Filters of the five convolutions."""
    return [max(1, round(count * options.width)) for count in options.used("filters")]
