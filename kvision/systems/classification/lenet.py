"""LeNet-5: the first convolutional network that read handwriting for a living.

Paper: LeCun, Bottou, Bengio & Haffner 1998, Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86(11).
Deviations: the second convolution sees all maps of the first, where the paper's table I leaves some out; pooling has no factor and offset of its
own; the last layer is linear with cross-entropy, not radial basis functions. Pictures below 32 px are padded in the first convolution, as the
paper's 28 px digits were.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`; S at least 12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Count, Recipe
from kvision.layers.style import Activation, Norm, Style
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    import keras

_SMALLEST_PX = 12
_PAPER_PX = 32


class LeNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    filters: tuple[Count, Count] = Field((6, 16), description="Filters of the two 5x5 convolutions.")
    hidden: tuple[Count, ...] = Field((120, 84), max_length=8, description="Units of each hidden layer.")
    pooling: Literal["average", "max"] = Field("average", description="How 2x2 pixels become one after each convolution.")
    activation: Activation = Field("tanh", description="After each convolution and each hidden layer.")
    norm: Norm = Field("none", description="Normalisation after each convolution.")


class LeNet(Classifier):
    """Two convolutions, each with a pooling, and two hidden layers."""

    Options = LeNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Something must be left of the picture."""
        size_px = recipe.data.size_px
        small = [("data.size_px", f"{size_px} is too small for two 5x5 convolutions and poolings; use at least {_SMALLEST_PX}")]
        return super().check(recipe) + (small if size_px < _SMALLEST_PX else [])

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last hidden layer `[B, D]`."""
        import keras

        from kvision.layers import blocks, dense

        options: LeNetOptions = self.recipe.model  # type: ignore[assignment]
        pool = keras.layers.AveragePooling2D if options.pooling == "average" else keras.layers.MaxPooling2D
        first, second = options.filters
        x = blocks.convolution(image, first, 5, options, name="conv1", pad_px=0 if self.recipe.data.size_px >= _PAPER_PX else 2)
        x = pool(2, name="pool1")(x)
        x = blocks.convolution(x, second, 5, options, name="conv2", pad_px=0)
        x = pool(2, name="pool2")(x)
        return dense.hidden(x, options.hidden, options, dropout=options.dropout)
