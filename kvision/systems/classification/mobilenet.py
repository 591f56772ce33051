"""MobileNet: depthwise and 1x1 convolutions in place of whole ones, for devices.

Paper: `v1`: Howard et al. 2017, arXiv 1704.04861; `v2`: Sandler et al. 2018, arXiv 1801.04381; `v3_small`, `v3_large`: Howard et al. 2019, arXiv
1905.02244.
Deviations: batch normalisation has the epsilon 1e-5 of all systems here, not 1e-3; imported weights are adjusted, so that they say the same. Weights
that were trained in PyTorch, such as timm's mobilenetv2_100, need `padding: even`; its tf_mobilenetv3 have the papers' `same`.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

import operator
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


class _Row(NamedTuple):
    """A block of MobileNet v3, as in tables 1 and 2 of its paper."""

    size: int
    expanded: int
    filters: int
    squeeze: bool
    deep: bool
    strides: int


_STAGES_V1 = ((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))
"""Filters and count of the blocks between two halvings: table 1."""
_STAGES_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, filters, blocks and stride of the first block: table 2."""
_STAGES_V3 = {
    "v3_large": (
        (_Row(3, 16, 16, False, False, 1),),
        (_Row(3, 64, 24, False, False, 2), _Row(3, 72, 24, False, False, 1)),
        (_Row(5, 72, 40, True, False, 2), _Row(5, 120, 40, True, False, 1), _Row(5, 120, 40, True, False, 1)),
        (_Row(3, 240, 80, False, True, 2), _Row(3, 200, 80, False, True, 1), _Row(3, 184, 80, False, True, 1), _Row(3, 184, 80, False, True, 1)),
        (_Row(3, 480, 112, True, True, 1), _Row(3, 672, 112, True, True, 1)),
        (_Row(5, 672, 160, True, True, 2), _Row(5, 960, 160, True, True, 1), _Row(5, 960, 160, True, True, 1)),
    ),
    "v3_small": (
        (_Row(3, 16, 16, True, False, 2),),
        (_Row(3, 72, 24, False, False, 2), _Row(3, 88, 24, False, False, 1)),
        (_Row(5, 96, 40, True, True, 2), _Row(5, 240, 40, True, True, 1), _Row(5, 240, 40, True, True, 1)),
        (_Row(5, 120, 48, True, True, 1), _Row(5, 144, 48, True, True, 1)),
        (_Row(5, 288, 96, True, True, 2), _Row(5, 576, 96, True, True, 1), _Row(5, 576, 96, True, True, 1)),
    ),
}
_COUNTS = {
    "v1": tuple(count for _, count in _STAGES_V1),
    "v2": tuple(count for _, _, count, _ in _STAGES_V2),
    **{version: tuple(map(len, stages)) for version, stages in _STAGES_V3.items()},
}
_LAST = {"v2": 1280, "v3_large": 1280, "v3_small": 1024}
_SQUEEZE = 4


class MobileNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    version: Literal["v1", "v2", "v3_small", "v3_large"] = Field("v2", description="Which of the papers' networks.")
    alpha: NonNegative = Field(1.0, gt=0.0, le=8.0, description="Factor on all filters, rounded to multiples of 8 (in `v1` not rounded).")
    stem: Stem = Field("auto", description="`cifar`, for small pictures, leaves out the first two of the five halvings; `auto`: cifar below 64 px.")
    padding: Padding = Field(
        "same", description="Of convolutions with strides: `same`, more below and to the right, as TensorFlow; `even`, as PyTorch."
    )
    stages: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=7, description="Blocks of each stage; fewer stages leave out the last ones; none: by `version`."
    )
    activation: Activation | None = Field(  # type: ignore[assignment]
        None, description="After each normalisation; none: relu6, or in `v3` relu in the first blocks and hard_silu in the others."
    )
    last: Count | None = Field(None, description="Features before the logits; none: 1280, in `v3_small` 1024, times alpha where that is above 1.")
    minimalistic: bool = Field(
        False, description="`v3` of 3x3 convolutions and relu alone, without squeeze-and-excitation, which every device computes."
    )

    def chosen(self) -> dict[str, Chosen]:
        """`stages`, `activation` and `last`: by the version; `stem`: by the size of the pictures."""
        plain = "relu" if self.minimalistic else "relu, hard_silu"
        activation = "relu6" if self.version in ("v1", "v2") else plain
        found = self.left_open(f"version={self.version}", stages=list(_COUNTS[self.version]), activation=activation)
        if self.version in _LAST:
            found |= self.left_open(f"version={self.version}, alpha={self.alpha:g}", last=divisible(_LAST[self.version] * max(1.0, self.alpha)))
        return super().chosen() | found | chosen_stem(self.stem)

    def styles(self) -> tuple[Style, Style]:
        """How the first blocks are made, and the others."""
        names = self.used("activation").split(", ")
        first, *others = (self.model_copy(update={"activation": name}) for name in names)
        return first, others[0] if others else first


class MobileNet(Classifier):
    """The three versions of the network, for square images of `data.size_px`."""

    Options = MobileNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The options must have an effect on the version."""
        options: MobileNetOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe)
        counts = _COUNTS[options.version]
        stages = options.used("stages")
        if len(stages) > len(counts):
            problems.append(
                ("model.stages", f"{len(stages)} values, but version={options.version} has {len(counts)} stages; give no more than those")
            )
        elif options.version in _STAGES_V3 and any(map(operator.gt, stages, counts)):
            problems.append(
                ("model.stages", f"{list(stages)} is more than the blocks that version={options.version} has, {list(counts)}; give fewer")
            )
        if options.minimalistic and options.version not in _STAGES_V3:
            problems.append(("model.minimalistic", f"true has no effect on version={options.version}; take it out, or use v3_small or v3_large"))
        if options.last is not None and options.version == "v1":
            problems.append(("model.last", f"{options.last} has no effect on version=v1, whose last block gives the features; take it out"))
        if options.activation == "maxout":
            problems.append(("model.activation", "maxout halves the channels, which depthwise convolutions can't follow; use relu6"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last map `[B, S / 32, S / 32, C]` (a small picture's: S / 8); of `v3` the features `[B, D]`."""
        options: MobileNetOptions = self.recipe.model  # type: ignore[assignment]
        small = small_stem(options.stem, self.recipe.data.size_px)
        return {"v1": _first, "v2": _second}.get(options.version, _third)(image, options, small)

    def imagenet(self) -> Pretrained:
        """Those of keras.applications."""
        from kvision.systems.classification import _keras_weights, _published

        options: MobileNetOptions = self.recipe.model  # type: ignore[assignment]
        _published.demand(self.recipe, IMAGENET, {"model.padding": "same"})
        name = {"v1": "MobileNet", "v2": "MobileNetV2", "v3_small": "MobileNetV3Small", "v3_large": "MobileNetV3Large"}[options.version]
        # The third asks for the size, so as not to warn that it takes its own.
        extra = {"minimalistic": options.minimalistic, "input_shape": (224, 224, 3)} if options.version in _STAGES_V3 else {}
        return _keras_weights.applications(name, self.net, "tf", alpha=options.alpha, **extra)

    def namings(self) -> tuple[Naming, ...]:
        """Those of timm for `v2` and `v3`."""
        from kvision.systems.classification import _published, _torch_names

        options: MobileNetOptions = self.recipe.model  # type: ignore[assignment]
        if options.version == "v1":
            return ()
        second = options.version == "v2"
        colours = _published.COLOURS["tf" if options.padding == "same" else "torch"]
        names = _torch_names.inverted(
            options.used("stages"), options.padding, colours, _told, features=not second, tensorflow=False if second else None
        )
        return (names,)


def _told(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What timm's tensors tell of the options: the version by its blocks, the factor by the filters of the last one."""
    from kvision.systems.classification import _torch_names

    counts = _torch_names.blocks(tensors)
    version = next((version for version in ("v3_large", "v3_small") if list(_COUNTS[version]) == counts), "v2")
    filters = _torch_names.filters(tensors, f"blocks.{len(counts) - 1}.0.conv_pwl")
    published = _STAGES_V2[-1][1] if version == "v2" else _STAGES_V3[version][-1][-1].filters
    plain = version in _STAGES_V3 and not any(".se." in name for name in tensors)
    activation = "relu6" if version == "v2" else "relu" if plain else None  # none: the two of the paper
    return {"version": version, "alpha": round(filters / published, 2), "minimalistic": plain, "activation": activation}


def _stem(image: keras.KerasTensor, filters: int, style: Style, small: bool, padding: Padding) -> keras.KerasTensor:
    from kvision.layers import blocks

    return blocks.convolution(image, filters, 3, style, name="stem", strides=1 if small else 2, pad_px=pad_px(padding))


def _first(image: keras.KerasTensor, options: MobileNetOptions, small: bool) -> keras.KerasTensor:
    """Version 1: depthwise convolutions, each followed by one of 1x1 (table 1)."""
    from kvision.layers import blocks

    style, _ = options.styles()
    x = _stem(image, max(1, int(32 * options.alpha)), style, small, options.padding)
    for stage, ((filters, _), count) in enumerate(zip(_STAGES_V1, options.used("stages"), strict=False)):
        for place in range(count):
            name = f"stage{stage}_block{place}"
            halves = stage > (1 if small else 0) and not place
            x = blocks.depthwise(x, 3, style, name=f"{name}_depthwise", strides=2 if halves else 1, padding=options.padding)
            x = blocks.convolution(x, max(1, int(filters * options.alpha)), 1, style, name=f"{name}_point")
    return x


def _second(image: keras.KerasTensor, options: MobileNetOptions, small: bool) -> keras.KerasTensor:
    """Version 2: inverted bottlenecks (table 2)."""
    from kvision.layers import blocks
    from kvision.layers.inverted import inverted

    style, _ = options.styles()
    x = _stem(image, divisible(32 * options.alpha), style, small, options.padding)
    for stage, ((expansion, filters, _, strides), count) in enumerate(zip(_STAGES_V2, options.used("stages"), strict=False)):
        for place in range(count):
            step = strides if not place and not (small and stage == 1) else 1
            width, expanded = divisible(int(filters * options.alpha)), expansion * x.shape[-1]
            x = inverted(x, width, style, name=f"stage{stage}_block{place}", expanded=expanded, strides=step, padding=options.padding)
    return blocks.convolution(x, options.used("last"), 1, style, name="last")


def _third(image: keras.KerasTensor, options: MobileNetOptions, small: bool) -> keras.KerasTensor:
    """Version 3: inverted bottlenecks that a search has found (tables 1 and 2)."""
    import keras

    from kvision.layers import blocks
    from kvision.layers.inverted import inverted

    first, deep = options.styles()
    rows = [row for stage, count in zip(_STAGES_V3[options.version], options.used("stages"), strict=False) for row in stage[:count]]
    skipped = next(number for number, row in enumerate(rows) if row.strides == 2) if small else None
    x = _stem(image, 16, deep, small, options.padding)
    before = 16
    for number, row in enumerate(rows):
        expanded = divisible(x.shape[-1] * row.expanded / before) if number else x.shape[-1]
        x = inverted(
            x,
            divisible(row.filters * options.alpha),
            deep if row.deep else first,
            name=f"block{number}",
            expanded=expanded,
            size=3 if options.minimalistic else row.size,
            strides=1 if number == skipped else row.strides,
            padding=options.padding,
            squeezed=divisible(expanded / _SQUEEZE) if row.squeeze and not options.minimalistic else 0,
            squeeze_style=first,
            gate="hard_sigmoid",
        )
        before = row.filters
    x = blocks.convolution(x, divisible(6 * x.shape[-1]), 1, deep, name="last")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = keras.layers.Dense(options.used("last"), kernel_initializer=blocks.initializer(options.initializer), name="features")(x)
    return blocks.activation(x, deep.activation, "features_act")
