"""Hybrid: stages of convolutions, then stages of attention that knows the way from one place to another (CoAtNet).

Paper: Dai, Liu, Le & Tan 2021 (CoAtNet), arXiv 2106.04803; `survival`: Huang et al. 2016 (stochastic depth), arXiv 1603.09382.
Deviations: a block of convolutions that halves the map has its stride in the depthwise convolution, as MBConv has, not in the 1x1 before it. The
paper has no code, and its sizes are rounded to millions.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kvision.core.schema import Chosen, Count, Positive, Recipe
from kvision.layers.style import Activation, Style, TransformerStyle
from kvision.layers.widths import divisor
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    import keras

_SQUEEZE = 4


class HybridOptions(TransformerStyle, Style, ClassifierOptions):
    """Size and make of the network; by default CoAtNet-0."""

    stages: tuple[Count, ...] = Field(
        (2, 2, 3, 5, 2), min_length=2, max_length=6, description="Layers of the stem, and blocks of each stage, which halves the map."
    )
    widths: tuple[Count, ...] = Field((64, 96, 192, 384, 768), min_length=2, max_length=6, description="Channels of the stem and of each stage.")
    attention_stages: int = Field(2, ge=0, le=5, description="How many of the last stages are attention, the others convolutions (figure 1).")
    head_width: Count = Field(32, description="Channels of each head of attention; a divisor of those stages' `widths`.")
    expansion: Positive = Field(4.0, description="Channels within a convolution's block, as a multiple of those it gives.")
    stem_strides: int = Field(0, ge=0, le=2, description="Stride of the stem: 2, 1 for small pictures; 0: 1 below 64 px.")
    activation: Activation = Field("gelu", description="In the stem, the convolutions' blocks and the MLPs.")

    def chosen(self) -> dict[str, Chosen]:
        """`stem_strides`: by the size of the pictures."""
        return super().chosen() | ({} if self.stem_strides else {"stem_strides": Chosen("1 below 64 px, else 2")})


class Hybrid(Classifier):
    """A CoAtNet for square images of `data.size_px`."""

    Options = HybridOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Stages, widths and heads must fit each other."""
        options: HybridOptions = recipe.model  # type: ignore[assignment]
        problems, most = super().check(recipe), len(options.stages) - 1
        if len(options.stages) != len(options.widths):
            problems.append(("model.widths", f"{len(options.widths)} values for {len(options.stages)} stages; give one for each stage"))
        if options.attention_stages > most:
            problems.append(("model.attention_stages", f"{options.attention_stages} of {most} stages after the stem; use at most {most}"))
        for width in options.widths[len(options.widths) - options.attention_stages :]:
            if width % options.head_width:
                near = divisor(width, options.head_width)
                problems.append(("model.head_width", f"{options.head_width} does not divide the width {width}; use a divisor such as {near}"))
        if options.activation == "maxout":
            problems.append(("model.activation", "maxout halves the channels, which depthwise convolutions can't follow; use gelu"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The normalised mean over the last stage's map, `[B, C]`; the map's side is S / 32 (a small picture's: S / 16)."""
        import keras

        from kvision.layers import blocks, stochastic_depth, transformer

        options: HybridOptions = self.recipe.model  # type: ignore[assignment]
        strides = options.stem_strides or (1 if self.recipe.data.size_px < 64 else 2)
        x = blocks.convolution(image, options.widths[0], 3, options, name="stem0", strides=strides) if options.stages[0] > 1 else image
        for number in range(1, options.stages[0]):
            last = number == options.stages[0] - 1
            make = blocks.plain_convolution if last else blocks.convolution
            x = make(x, options.widths[0], 3, options, name=f"stem{number}_conv" if last else f"stem{number}")
        total, number = sum(options.stages[1:]), 0
        for stage in range(1, len(options.stages)):
            block = _attention if len(options.stages) - stage <= options.attention_stages else _convolutions
            for place in range(options.stages[stage]):
                number += 1
                survival = stochastic_depth.falling(options.survival, number, total)
                x = block(x, options.widths[stage], 1 if place else 2, options, survival, f"stage{stage}_block{place}")
        return keras.layers.GlobalAveragePooling2D(name="mean")(transformer.normalise(x, "last_norm"))


def _shortcut(x: keras.KerasTensor, width: int, strides: int, options: HybridOptions, name: str) -> keras.KerasTensor:
    """A block's input at the size and in the channels of what it adds: `Proj(Pool(x))` (appendix A.1)."""
    from kvision.layers import blocks

    if x.shape[-1] == width and strides == 1:
        return x
    return blocks.plain_convolution(_pooled(x, strides, f"{name}_pool"), width, 1, options, name=f"{name}_skip", use_bias=True)


def _pooled(x: keras.KerasTensor, strides: int, name: str) -> keras.KerasTensor:
    """The map at half its sides, rounded up, where there is a stride."""
    import keras

    return keras.layers.MaxPooling2D(2, padding="same", name=name)(x) if strides > 1 else x


def _convolutions(x: keras.KerasTensor, width: int, strides: int, options: HybridOptions, survival: float, name: str) -> keras.KerasTensor:
    """MBConv, normalised before: to more channels, depthwise, squeeze-and-excitation, and back."""
    from kvision.layers import blocks, stochastic_depth

    inner = max(1, round(width * options.expansion))
    learned = blocks.convolution(blocks.normalise(x, options.norm, f"{name}_norm"), inner, 1, options, name=f"{name}_expand")
    learned = blocks.depthwise(learned, 3, options, strides=strides, name=f"{name}_depthwise")
    learned = blocks.squeeze_excite(learned, max(1, width // _SQUEEZE), options, name=f"{name}_se")
    learned = blocks.plain_convolution(learned, width, 1, options, name=f"{name}_project", use_bias=True)
    return stochastic_depth.added(_shortcut(x, width, strides, options, name), learned, survival, name)


def _attention(x: keras.KerasTensor, width: int, strides: int, options: HybridOptions, survival: float, name: str) -> keras.KerasTensor:
    """A transformer's block whose attention knows offsets, over the whole map."""
    import keras

    from kvision.layers import blocks, stochastic_depth, transformer
    from kvision.layers.attention import SelfAttention

    learned = _pooled(transformer.normalise(x, f"{name}_norm1"), strides, f"{name}_pool_tokens")
    height, side, channels = learned.shape[1:]
    first = blocks.initializer(options.initializer)
    attention = SelfAttention(width // options.head_width, grid=(height, side), channels=width, kernel_initializer=first, name=f"{name}_attention")
    learned = attention(keras.layers.Reshape((height * side, channels), name=f"{name}_tokens")(learned))
    learned = keras.layers.Reshape((height, side, width), name=f"{name}_map")(learned)
    x = stochastic_depth.added(_shortcut(x, width, strides, options, name), learned, survival, f"{name}_attended")
    learned = transformer.mlp(transformer.normalise(x, f"{name}_norm2"), options, f"{name}_mlp")
    return stochastic_depth.added(x, learned, survival, f"{name}_mixed")
