"""VGG: depth by nothing but 3x3 convolutions, pooled five times.

Paper: Simonyan & Zisserman 2015, arXiv 1409.1556; `pooling: fractional`: Graham 2014, arXiv 1412.6071.
Deviations: none at multiples of 32 px; other sizes are rounded up at each pooling, so that also a picture of 28 px can be pooled five times.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core import checks
from kvision.core.schema import Count, NonNegative, Recipe
from kvision.layers.style import Norm, Style
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    import keras

    from kvision.engine.pretrained import Pretrained

_FILTERS = (64, 128, 256, 512, 512)
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGGOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    depth: Literal[11, 13, 16, 19] = Field(16, description="Layers with weights; the paper's A, B, D and E.")
    width: NonNegative = Field(1.0, gt=0.0, le=16.0, description="Factor on the filters, 64 to 512.")
    hidden: tuple[Count, ...] = Field((4096, 4096), max_length=8, description="Units of each hidden layer.")
    norm: Norm = Field("none", description="Normalisation after each convolution.")
    dropout: float = Field(0.5, ge=0.0, lt=1.0, description="Share of each hidden layer's outputs that is dropped in training.")
    pooling: Literal["max", "average", "fractional"] = Field(
        "max", description="After each stage; `fractional`: by `pool_ratio`, in regions drawn anew for each step."
    )
    pool_ratio: float = Field(1.5, gt=1.0, lt=2.0, description="`fractional`: what a pooling divides the side by.")


class VGG(Classifier):
    """Five stages of 3x3 convolutions and two hidden layers."""

    Options = VGGOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The ratio of a pooling must have an effect."""
        options: VGGOptions = recipe.model  # type: ignore[assignment]
        return super().check(recipe) + checks.without_effect("model", options, "pooling", {"pool_ratio": ("fractional",)})

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last hidden layer `[B, D]`."""
        from kvision.layers import blocks, dense

        options: VGGOptions = self.recipe.model  # type: ignore[assignment]
        x = image
        for stage, (count, filters) in enumerate(zip(_STAGES[options.depth], _FILTERS, strict=True), 1):
            for number in range(1, count + 1):
                x = blocks.convolution(x, max(1, round(filters * options.width)), 3, options, name=f"block{stage}_{number}")
            x = _pooling(options, f"pool{stage}")(x)
        return dense.hidden(x, options.hidden, options, dropout=options.dropout)

    def imagenet(self) -> Pretrained:
        """Those of keras.applications for depth 16 and 19; its hidden layers are for 224 px, and without any the size is free."""
        from kvision.systems.classification import _keras_weights

        options: VGGOptions = self.recipe.model  # type: ignore[assignment]
        if options.depth not in (16, 19):
            return super().imagenet()
        return _keras_weights.applications(f"VGG{options.depth}", self.net, "caffe", include_top=bool(options.hidden))


def _pooling(options: VGGOptions, name: str) -> keras.layers.Layer:
    """The layer that ends a stage."""
    import keras

    from kvision.layers.pooling import FractionalMaxPooling2D

    if options.pooling == "fractional":
        return FractionalMaxPooling2D(options.pool_ratio, name=name)
    pool = keras.layers.MaxPooling2D if options.pooling == "max" else keras.layers.AveragePooling2D
    return pool(2, padding="same", name=name)
