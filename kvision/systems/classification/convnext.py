"""ConvNeXt: a convolutional network made as transformers are: large depthwise kernels, few normalisations and activations.

Paper: Liu et al. 2022, arXiv 2201.03545; `survival`: Huang et al. 2016 (stochastic depth), arXiv 1603.09382.
Deviations: none; timm's weights fit as they are.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kvision.core.schema import Count, NonNegative, Recipe
from kvision.layers.style import TransformerStyle
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    import keras

    from kvision.engine.pretrained import Pretrained
    from kvision.systems.classification._torch_weights import Naming

_PUBLISHED: dict[tuple[tuple[int, ...], int], str] = {
    ((3, 3, 9, 3), 96): "Tiny",
    ((3, 3, 27, 3), 96): "Small",
    ((3, 3, 27, 3), 128): "Base",
    ((3, 3, 27, 3), 192): "Large",
    ((3, 3, 27, 3), 256): "XLarge",
}
"""Published networks by the blocks of their stages and the channels of the first."""


class ConvNeXtOptions(TransformerStyle, ClassifierOptions):
    """Size and make of the network; by default ConvNeXt-T."""

    patch_px: Count = Field(4, description="Side and stride of the first convolution, pixels: 4; 1 or 2 for pictures of 28 or 32 px.")
    stages: tuple[Count, ...] = Field(
        (3, 3, 9, 3), min_length=1, max_length=6, description="Blocks of each stage: T (3, 3, 9, 3), others (3, 3, 27, 3)."
    )
    widths: tuple[Count, ...] = Field(
        (96, 192, 384, 768), min_length=1, max_length=6, description="Channels of each stage; from 96 for T and S, 128 for B, 192 for L."
    )
    kernel: Count = Field(7, description="Side of the depthwise kernels.")
    layer_scale: NonNegative = Field(1e-6, description="What the learnt factors of what each block adds begin as; 0: there are none.")


class ConvNeXt(Classifier):
    """A ConvNeXt for square images of `data.size_px`."""

    Options = ConvNeXtOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Each stage has its width, and the map of the last one is not empty."""
        options: ConvNeXtOptions = recipe.model  # type: ignore[assignment]
        problems, size_px = super().check(recipe), recipe.data.size_px
        if len(options.stages) != len(options.widths):
            problems.append(("model.widths", f"{len(options.widths)} values for {len(options.stages)} stages; give one for each stage"))
        if size_px < (least := options.patch_px * 2 ** (len(options.stages) - 1)):
            problems.append(
                ("model.stages", f"{len(options.stages)} stages need {least} px, but size_px={size_px}; use fewer stages, or a smaller patch_px")
            )
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The normalised mean over the last stage's map, `[B, C]`."""
        import keras

        from kvision.layers import stochastic_depth, transformer

        options: ConvNeXtOptions = self.recipe.model  # type: ignore[assignment]
        x, number = image, 0
        for stage, (count, width) in enumerate(zip(options.stages, options.widths, strict=True)):
            x = _halved(x, width, options, f"stage{stage}") if stage else _stem(x, width, options)
            for place in range(count):
                number += 1
                survival = stochastic_depth.falling(options.survival, number, sum(options.stages))
                x = _block(x, options, survival, f"stage{stage}_block{place}")
        return transformer.normalise(keras.layers.GlobalAveragePooling2D(name="mean")(x), "last_norm")

    def imagenet(self) -> Pretrained:
        """Those of keras.applications for T, S, B, L and XL."""
        from kvision.systems.classification import _keras_weights

        options: ConvNeXtOptions = self.recipe.model  # type: ignore[assignment]
        size = _PUBLISHED.get((options.stages, options.widths[0]))
        return super().imagenet() if size is None else _keras_weights.applications(f"ConvNeXt{size}", self.net, "torch")

    def namings(self) -> tuple[Naming, ...]:
        """Those of timm."""
        from kvision.systems.classification import _torch_names

        return (_torch_names.convnext(),)


def _stem(image: keras.KerasTensor, width: int, options: ConvNeXtOptions) -> keras.KerasTensor:
    """Patches, normalised."""
    import keras

    from kvision.layers import blocks, transformer

    first = blocks.initializer(options.initializer)
    x = keras.layers.Conv2D(width, options.patch_px, strides=options.patch_px, kernel_initializer=first, name="stem_conv")(image)
    return transformer.normalise(x, "stem_norm")


def _halved(x: keras.KerasTensor, width: int, options: ConvNeXtOptions, name: str) -> keras.KerasTensor:
    """Half the sides, by a convolution of 2 x 2."""
    import keras

    from kvision.layers import blocks, transformer

    x = transformer.normalise(x, f"{name}_norm")
    return keras.layers.Conv2D(width, 2, strides=2, kernel_initializer=blocks.initializer(options.initializer), name=f"{name}_conv")(x)


def _block(x: keras.KerasTensor, options: ConvNeXtOptions, survival: float, name: str) -> keras.KerasTensor:
    """A depthwise convolution, and an MLP on each cell, added to the input."""
    import keras

    from kvision.layers import blocks, stochastic_depth, transformer
    from kvision.layers.scale import LayerScale

    first = blocks.initializer(options.initializer)
    learned = keras.layers.DepthwiseConv2D(options.kernel, padding="same", depthwise_initializer=first, name=f"{name}_depthwise")(x)
    learned = transformer.mlp(transformer.normalise(learned, f"{name}_norm"), options, f"{name}_mlp")
    if options.layer_scale:
        learned = LayerScale(options.layer_scale, name=f"{name}_scale")(learned)
    return stochastic_depth.added(x, learned, survival, name)
