"""SqueezeNet: fire modules, whose 1x1 convolutions leave few channels for the 3x3 ones to see.

Paper: Iandola et al. 2016, arXiv 1602.07360; `version: v1.1`: the authors' later code, the same accuracy in less than half of the computation.
Deviations: the logits are linear in the mean features, not the means of rectified maps of classes; poolings round sizes up.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Chosen, NonNegative, Recipe
from kvision.layers.style import Norm, Style
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras

_FILTERS = (128, 128, 256, 256, 384, 384, 512, 512)
"""Of each fire module, half by 1x1 and half by 3x3 convolutions; table 1."""
_POOLED = {"v1.0": (0, 3, 7), "v1.1": (0, 2, 4)}
"""Numbers of the modules that a pooling comes before."""
_STEMS = {"v1.0": (96, 7), "v1.1": (64, 3)}
_SQUEEZE = 8


class SqueezeNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    version: Literal["v1.0", "v1.1"] = Field("v1.1", description="The paper's network, or the authors' later one, which pools earlier.")
    width: NonNegative = Field(1.0, gt=0.0, le=16.0, description="Factor on all filters.")
    fires: int = Field(8, ge=1, le=8, description="Fire modules; fewer leave out the last ones.")
    bypass: bool = Field(False, description="Add the input of every second module, the first aside, to its output (figure 2, middle).")
    norm: Norm = Field("none", description="Normalisation after each convolution.")
    stem: Stem = Field("auto", description="`cifar`, for small pictures, leaves out the first two of the four halvings; `auto`: cifar below 64 px.")

    def chosen(self) -> dict[str, Chosen]:
        """`stem`: by the size of the pictures."""
        return super().chosen() | chosen_stem(self.stem)


class SqueezeNet(Classifier):
    """Eight fire modules between poolings, for square images of `data.size_px`."""

    Options = SqueezeNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The activation must keep the channels."""
        options: SqueezeNetOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe)
        if options.activation == "maxout" and options.bypass:
            problems.append(("model.bypass", "true needs an activation that keeps the channels; take it out, or use activation=relu"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last module's map `[B, S / 16, S / 16, C]` (a small picture's: S / 4)."""
        import keras

        from kvision.layers import blocks

        options: SqueezeNetOptions = self.recipe.model  # type: ignore[assignment]
        small = small_stem(options.stem, self.recipe.data.size_px)
        filters, size = _STEMS[options.version]
        wide = [max(2, 2 * round(each * options.width / 2)) for each in (filters, *_FILTERS[: options.fires])]
        x = blocks.convolution(image, wide[0], 3 if small else size, options, name="stem", strides=1 if small else 2, pad_px="same")
        for number, width in enumerate(wide[1:]):
            if number in _POOLED[options.version] and not (small and number == 0):
                x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{number}")(x)
            y = _fire(x, width, options, f"fire{number}")
            x = keras.layers.Add(name=f"fire{number}_add")([x, y]) if options.bypass and number % 2 else y
        return x


def _fire(x: keras.KerasTensor, width: int, options: SqueezeNetOptions, name: str) -> keras.KerasTensor:
    """Squeezed by 1x1 convolutions, expanded by 1x1 and by 3x3 ones side by side (figure 1)."""
    import keras

    from kvision.layers import blocks

    x = blocks.convolution(x, max(1, width // _SQUEEZE), 1, options, name=f"{name}_squeeze")
    sides = [blocks.convolution(x, width // 2, size, options, name=f"{name}_expand{size}") for size in (1, 3)]
    return keras.layers.Concatenate(name=f"{name}_concat")(sides)
