"""Swin: a transformer whose attention stays within windows, shifted in every other block, over maps that halve from stage to stage.

Paper: Liu et al. 2021, arXiv 2103.14030; `survival`: Huang et al. 2016 (stochastic depth), arXiv 1603.09382.
Deviations: the four neighbours that are merged stand row by row, in the paper's code column by column, which is one order of the same weights.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kvision.core.schema import Count, Recipe
from kvision.layers.style import TransformerStyle
from kvision.layers.widths import divisor
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    import keras


class SwinOptions(TransformerStyle, ClassifierOptions):
    """Size and make of the network; by default Swin-T."""

    patch_px: Count = Field(4, description="Side of the patches, pixels: 4; 1 or 2 for pictures of 28 or 32 px.")
    width: Count = Field(96, description="Channels of the first stage; each stage doubles them: T and S 96, B 128, L 192.")
    stages: tuple[Count, ...] = Field(
        (2, 2, 6, 2), min_length=1, max_length=6, description="Blocks of each stage: T (2, 2, 6, 2), others (2, 2, 18, 2)."
    )
    head_width: Count = Field(32, description="Channels of each head of attention; a divisor of `width`.")
    window: Count = Field(7, description="Side of the windows, cells; a stage whose map is smaller has one window of its size.")
    shifted: bool = Field(True, description="Shift the windows of every other block by a half; false: windows never meet, the control experiment.")


class Swin(Classifier):
    """A Swin transformer for square images of `data.size_px`."""

    Options = SwinOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Patches, windows and heads must fill what they divide, in every stage."""
        options: SwinOptions = recipe.model  # type: ignore[assignment]
        problems, size_px = super().check(recipe), recipe.data.size_px
        if options.width % options.head_width:
            near = divisor(options.width, options.head_width)
            problems.append(("model.head_width", f"{options.head_width} does not divide width={options.width}; use a divisor such as {near}"))
        if size_px % (whole := options.patch_px * 2 ** (len(options.stages) - 1)):
            need = f"{len(options.stages)} stages of patches of {options.patch_px} px need a size_px that is a multiple of {whole}, not {size_px}"
            return [*problems, ("model.stages", f"{need}; use fewer stages, or smaller patches")]
        for stage in range(len(options.stages)):
            side = size_px // options.patch_px // 2**stage
            if side > options.window and side % options.window:
                near = divisor(side, options.window)
                problems.append(
                    ("model.window", f"{options.window} does not divide the map of {side} x {side} in stage {stage}; use a divisor such as {near}")
                )
                break
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The mean over the last stage's map, `[B, C]`."""
        import keras

        from kvision.layers import blocks, stochastic_depth, transformer

        options: SwinOptions = self.recipe.model  # type: ignore[assignment]
        first = blocks.initializer(options.initializer)
        x = keras.layers.Conv2D(options.width, options.patch_px, strides=options.patch_px, kernel_initializer=first, name="patches")(image)
        x, number = transformer.normalise(x, "patches_norm"), 0
        for stage, count in enumerate(options.stages):
            if stage:
                x = _merged(x, options, f"stage{stage}_merge")
            for place in range(count):
                number += 1
                survival = stochastic_depth.falling(options.survival, number, sum(options.stages))
                x = _block(x, options, survival, shifted=options.shifted and place % 2 == 1, name=f"stage{stage}_block{place}")
        return keras.layers.GlobalAveragePooling2D(name="mean")(transformer.normalise(x, "last_norm"))


def _merged(x: keras.KerasTensor, options: SwinOptions, name: str) -> keras.KerasTensor:
    """Four neighbours become one cell of twice the channels."""
    import keras

    from kvision.layers import blocks, transformer
    from kvision.layers.windows import Neighbours

    x = transformer.normalise(Neighbours(name=f"{name}_neighbours")(x), f"{name}_norm")
    return keras.layers.Dense(x.shape[-1] // 2, use_bias=False, kernel_initializer=blocks.initializer(options.initializer), name=name)(x)


def _block(x: keras.KerasTensor, options: SwinOptions, survival: float, *, shifted: bool, name: str) -> keras.KerasTensor:
    """One block; where one window holds the whole map there is nothing to shift."""
    from kvision.layers import blocks, transformer
    from kvision.layers.windows import WindowAttention

    side = min(options.window, x.shape[1])
    attention = WindowAttention(
        x.shape[-1] // options.head_width,
        side,
        shift=side // 2 if shifted and side < x.shape[1] else 0,
        kernel_initializer=blocks.initializer(options.initializer),
        name=f"{name}_attention",
    )
    return transformer.block(x, attention, options, survival, name)
