"""ShuffleNet: groups of channels that see each other again because they are shuffled.

Paper: `v1`: Zhang et al. 2018, arXiv 1707.01083; `v2`: Ma et al. 2018, arXiv 1807.11164.
Deviations: strides pad as TensorFlow does, which devices compute without a step of its own; the first convolution of `v1` does not grow with `scale`.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Chosen, Count, NonNegative, Recipe
from kvision.layers.style import Style
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras

_COUNTS = (4, 8, 4)
_STEM = 24
_FIRST_V1 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Channels of the first stage of version 1 by number of groups; table 1. Each next stage has twice as many."""
_WIDTHS_V2 = {0.5: (48, 96, 192, 1024), 1.0: (116, 232, 464, 1024), 1.5: (176, 352, 704, 1024), 2.0: (244, 488, 976, 2048)}
"""Channels of the stages and of the last convolution of version 2 by scale; table 5."""


class ShuffleNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    version: Literal["v1", "v2"] = Field("v2", description="Which of the papers' networks.")
    scale: NonNegative = Field(1.0, gt=0.0, le=8.0, description="Factor on the filters; in `v2` 0.5, 1, 1.5 and 2 have the paper's own numbers.")
    groups: Literal[1, 2, 3, 4, 8] = Field(3, description="`v1`: groups of the 1x1 convolutions.")
    stages: tuple[Count, ...] | None = Field(None, min_length=1, max_length=3, description="Blocks of each stage; none: 4, 8, 4.")
    last: Count | None = Field(None, description="`v2`: filters of the last convolution; none: 1024, at scale 2 2048.")
    stem: Stem = Field("auto", description="`cifar`, for small pictures, leaves out the first two of the five halvings; `auto`: cifar below 64 px.")

    def chosen(self) -> dict[str, Chosen]:
        """`stages`; `last`: by the scale; `stem`: by the size of the pictures."""
        found = self.left_open("as in the papers", stages=list(_COUNTS))
        if self.version == "v2":
            found |= self.left_open(f"scale={self.scale:g}", last=_WIDTHS_V2.get(self.scale, _WIDTHS_V2[1.0])[-1])
        return super().chosen() | found | chosen_stem(self.stem)

    def widths(self) -> list[int]:
        """Channels of each stage, which the groups divide."""
        if self.version == "v2":
            exact = _WIDTHS_V2.get(self.scale)
            return list(exact[:-1]) if exact else [2 * max(1, round(channels * self.scale / 2)) for channels in _WIDTHS_V2[1.0][:-1]]
        unit = 4 * self.groups  # a bottleneck has a quarter of the channels, and that in groups
        first = unit * max(_STEM // unit + 1, round(_FIRST_V1[self.groups] * self.scale / unit))
        return [first * 2**stage for stage in range(len(_COUNTS))]


class ShuffleNet(Classifier):
    """Both versions of the network, for square images of `data.size_px`."""

    Options = ShuffleNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The options must have an effect on the version."""
        options: ShuffleNetOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe)
        if options.version == "v2" and options.groups != ShuffleNetOptions.model_fields["groups"].default:
            problems.append(("model.groups", f"{options.groups} has no effect on version=v2, which has none; take it out, or use version=v1"))
        if options.version == "v1" and options.last is not None:
            problems.append(("model.last", f"{options.last} has no effect on version=v1, whose last block gives the features; take it out"))
        if options.activation == "maxout":
            problems.append(("model.activation", "maxout halves the channels, which depthwise convolutions can't follow; use relu"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last map `[B, S / 32, S / 32, C]` (a small picture's: S / 8)."""
        import keras

        from kvision.layers import blocks

        options: ShuffleNetOptions = self.recipe.model  # type: ignore[assignment]
        small = small_stem(options.stem, self.recipe.data.size_px)
        x = blocks.convolution(image, _STEM, 3, options, name="stem", strides=1 if small else 2, pad_px="same")
        if not small:
            x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="pool")(x)
        block = _first if options.version == "v1" else _second
        for stage, (count, width) in enumerate(zip(options.used("stages"), options.widths(), strict=False)):
            for place in range(count):
                x = block(x, width, options, f"stage{stage}_block{place}", halves=not place)
        return blocks.convolution(x, options.used("last"), 1, options, name="last") if options.version == "v2" else x


def _first(x: keras.KerasTensor, width: int, options: ShuffleNetOptions, name: str, *, halves: bool) -> keras.KerasTensor:
    """Version 1: grouped 1x1, shuffle, depthwise, grouped 1x1; added to the input, or beside the pooled input (figure 2b and c)."""
    import keras

    from kvision.layers import blocks
    from kvision.layers.shuffle import ChannelShuffle

    channels = x.shape[-1]
    groups = 1 if channels == _STEM else options.groups  # the first of all has too few inputs for groups
    learned = blocks.convolution(x, width // 4, 1, options, name=f"{name}_a", groups=groups)
    learned = ChannelShuffle(options.groups, name=f"{name}_shuffle")(learned)
    learned = blocks.depthwise(learned, 3, options, name=f"{name}_b", strides=2 if halves else 1, activate=False)
    outputs = width - channels if halves else width
    learned = blocks.convolution(learned, outputs, 1, options, name=f"{name}_c", groups=options.groups, activate=False)
    if halves:
        x = keras.layers.AveragePooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
        x = keras.layers.Concatenate(name=f"{name}_concat")([x, learned])
    else:
        x = keras.layers.Add(name=f"{name}_add")([x, learned])
    return blocks.activation(x, options.activation, f"{name}_out")


def _second(x: keras.KerasTensor, width: int, options: ShuffleNetOptions, name: str, *, halves: bool) -> keras.KerasTensor:
    """Version 2: half of the channels go on as they are, or by a depthwise path; the halves are shuffled (figure 3c and d)."""
    import keras

    from kvision.layers import blocks
    from kvision.layers.shuffle import ChannelShuffle

    strides, half = 2 if halves else 1, width // 2
    if halves:
        kept = learned = x
        kept = blocks.depthwise(kept, 3, options, name=f"{name}_kept_a", strides=2, activate=False)
        kept = blocks.convolution(kept, half, 1, options, name=f"{name}_kept_b")
    else:
        kept, learned = keras.ops.split(x, 2, axis=-1)
    learned = blocks.convolution(learned, half, 1, options, name=f"{name}_a")
    learned = blocks.depthwise(learned, 3, options, name=f"{name}_b", strides=strides, activate=False)
    learned = blocks.convolution(learned, half, 1, options, name=f"{name}_c")
    return ChannelShuffle(2, name=f"{name}_shuffle")(keras.layers.Concatenate(name=f"{name}_concat")([kept, learned]))
