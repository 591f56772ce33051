"""ResNet: blocks that learn what to add to their input, so that networks of a hundred layers train.

Paper: He et al. 2016, arXiv 1512.03385; `preactivation`: He et al. 2016, arXiv 1603.05027; `width`: Zagoruyko & Komodakis 2016 (Wide ResNet), arXiv
1605.07146; `groups`: Xie et al. 2017 (ResNeXt), arXiv 1611.05431; `squeeze_excite`: Hu et al. 2018, arXiv 1709.01507; `survival`: Huang et al. 2016
(stochastic depth), arXiv 1603.09382.
Deviations: a bottleneck has its stride in the 3x3 convolution (`stride_in: 3x3`), as most code since 2016, torchvision's and timm's too; the paper
has it in the first 1x1.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Chosen, Count, NonNegative, Recipe
from kvision.layers.style import Style
from kvision.systems.classification._part import IMAGENET, Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras

    from kvision.engine.pretrained import Pretrained
    from kvision.systems.classification._torch_weights import Naming

_IMAGENET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_FIRST_BOTTLENECK = 50


class ResNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    depth: int = Field(
        18,
        ge=8,
        le=1202,
        description="Layers: 18, 34, 50, 101 or 152 as for ImageNet, in four stages; or 6 n + 2, as for CIFAR, in three: 20, 32, 110.",
    )
    stages: tuple[Count, ...] | None = Field(None, min_length=1, max_length=6, description="Blocks of each stage; none: by `depth`.")
    filters: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=6, description="Filters of each stage, before `width`; none: 64 doubled each stage, or 16 in a CIFAR depth."
    )
    width: NonNegative = Field(1.0, gt=0.0, le=64.0, description="Factor on all filters but the stem's (Wide ResNet).")
    block: Literal["auto", "basic", "bottleneck"] = Field(
        "auto", description="Two 3x3 convolutions, or a 3x3 between two 1x1; `auto`: bottleneck at 50, 101 and 152."
    )
    stem: Stem = Field("auto", description="7x7 with stride 2 and pooling, or 3x3 for small pictures; `auto`: cifar below 64 px.")
    preactivation: bool = Field(False, description="Normalise and activate before each convolution, so that the sum stays untouched (ResNet v2).")
    groups: Count = Field(1, description="Groups of the 3x3 convolution of a bottleneck: the cardinality of ResNeXt, 32.")
    group_width: Count = Field(4, description="Filters of each group in the first stage when there are several: 4 in ResNeXt 32x4d.")
    squeeze_excite: int = Field(
        0, ge=0, le=256, description="Reduction of the squeeze-and-excitation after each block's convolutions, 16 in SENet; 0: none."
    )
    survival: float = Field(
        1.0, gt=0.0, le=1.0, description="Probability that the last block is kept in training; it falls linearly from 1 (stochastic depth)."
    )
    stride_in: Literal["1x1", "3x3"] = Field("3x3", description="Which convolution of a bottleneck has the stride.")
    stride_at: Literal["first", "last"] = Field(
        "first", description="Which block halves the size: the first of the stages after the first, or the last of those before the last."
    )
    bias: bool = Field(
        False,
        description="Biases as keras.applications has them: in all convolutions, though a normalisation makes them useless, "
        "or with `preactivation` in those that none follows.",
    )
    skips: bool = Field(True, description="Add each block's input to its output; false: the plain network, the control experiment.")

    @property
    def is_cifar(self) -> bool:
        """Whether it has the three stages of the networks for CIFAR."""
        return self.depth not in _IMAGENET

    def chosen(self) -> dict[str, Chosen]:
        """`stages`, `filters` and `block`: by the depth; `stem`: by the size of the pictures."""
        per_stage = (self.depth - 2) // 6
        stages = (per_stage,) * 3 if self.is_cifar else _IMAGENET[self.depth]
        first = 16 if self.is_cifar else 64
        count = len(self.stages or stages)
        filters = [first * 2**stage for stage in range(count)]
        block = "bottleneck" if not self.is_cifar and self.depth >= _FIRST_BOTTLENECK else "basic"
        found = self.left_open(f"depth={self.depth}", stages=list(stages), filters=filters, block=block)
        return super().chosen() | found | chosen_stem(self.stem)

    def widths(self) -> list[int]:
        """Filters of each stage."""
        return [max(1, round(each * self.width)) for each in self.used("filters")]


class ResNet(Classifier):
    """ResNet and what grew from it, for square images of `data.size_px`."""

    Options = ResNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The depth must be one there is, and the options must fit each other."""
        options: ResNetOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe)
        stages, filters = options.used("stages"), options.used("filters")
        if options.stages is None and options.is_cifar and (options.depth - 2) % 6:
            near = 6 * round((options.depth - 2) / 6) + 2
            problems.append(("model.depth", f"{options.depth} is no depth; use 18, 34, 50, 101, 152, or 6 n + 2 such as {max(8, near)}"))
        if len(stages) != len(filters):
            problems.append(("model.filters", f"{len(filters)} values for {len(stages)} stages; give one for each stage"))
        if options.groups > 1 and options.used("block") == "basic":
            problems.append(("model.groups", f"{options.groups} groups need a bottleneck; use model.block=bottleneck or depth=50"))
        if options.activation == "maxout":
            problems.append(("model.activation", "maxout halves the channels, which a sum can't follow; use relu, or another system, such as mlp"))
        if options.survival < 1 and not options.skips:
            problems.append(("model.survival", f"{options.survival} has no effect without skips; take it out"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last stage's map `[B, S / 32, S / 32, C]` (a small picture's: S / 4)."""
        from kvision.layers import blocks, stochastic_depth

        options: ResNetOptions = self.recipe.model  # type: ignore[assignment]
        stages, widths = options.used("stages"), options.widths()
        x = self._stem(image, options)
        total, number = sum(stages), 0
        for stage, (count, width) in enumerate(zip(stages, widths, strict=True)):
            for place in range(count):
                number += 1
                survival = stochastic_depth.falling(options.survival, number, total)
                halves = stage and not place if options.stride_at == "first" else stage < len(stages) - 1 and place == count - 1
                strides = 2 if halves else 1
                x = _block(x, width, strides, options, survival, f"stage{stage}_block{place}")
        if options.preactivation:
            x = blocks.activation(blocks.normalise(x, options.norm, "last_norm"), options.activation, "last_act")
        return x

    def imagenet(self) -> Pretrained:
        """Those of keras.applications for depth 50, 101 and 152, whose strides and biases are its own."""
        from kvision.systems.classification import _keras_weights, _published

        options: ResNetOptions = self.recipe.model  # type: ignore[assignment]
        if options.depth not in (50, 101, 152) or options.groups > 1:
            return super().imagenet()
        if options.preactivation:
            _published.demand(self.recipe, IMAGENET, {"model.bias": True, "model.stride_at": "last"})
            return _keras_weights.applications(f"ResNet{options.depth}V2", self.net, "tf")
        _published.demand(self.recipe, IMAGENET, {"model.bias": True, "model.stride_in": "1x1"})
        return _keras_weights.applications(f"ResNet{options.depth}", self.net, "caffe")

    def namings(self) -> tuple[Naming, ...]:
        """Those of torchvision and timm."""
        from kvision.systems.classification import _torch_names

        return (_torch_names.resnet(_IMAGENET),)

    def _stem(self, image: keras.KerasTensor, options: ResNetOptions) -> keras.KerasTensor:
        """`[B, S / 4, S / 4, C]`, or of small pictures `[B, S, S, C]`."""
        import keras

        from kvision.layers import blocks

        filters = options.used("filters")[0]
        small = small_stem(options.stem, self.recipe.data.size_px)
        make = _linear if options.preactivation else blocks.convolution
        if small:
            return make(image, filters, 3, options, name="stem", use_bias=options.bias)
        x = make(image, filters, 7, options, name="stem", strides=2, use_bias=options.bias)
        x = keras.layers.ZeroPadding2D(1, name="pool_pad")(x)
        return keras.layers.MaxPooling2D(3, strides=2, name="pool")(x)


def _block(x: keras.KerasTensor, width: int, strides: int, options: ResNetOptions, survival: float, name: str) -> keras.KerasTensor:
    """One block: what it learns, added to its input, which a 1x1 convolution brings to as many channels, or which is thinned out to the size."""
    import keras

    from kvision.layers import blocks, stochastic_depth

    bottleneck = options.used("block") == "bottleneck"
    outputs = 4 * width if bottleneck else width
    first = x
    if options.preactivation:
        first = blocks.activation(blocks.normalise(x, options.norm, f"{name}_norm"), options.activation, f"{name}_act")
    learned = (_bottleneck if bottleneck else _basic)(first, width, strides, options, name)
    if options.squeeze_excite:
        learned = blocks.squeeze_excite(learned, max(1, outputs // options.squeeze_excite), options, name=f"{name}_se")
    if options.skips:
        if x.shape[-1] != outputs:
            x = _linear(first, outputs, 1, options, name=f"{name}_skip", strides=strides, use_bias=options.bias)
        elif strides > 1:
            x = keras.layers.MaxPooling2D(1, strides=strides, name=f"{name}_skip")(x)
        learned = stochastic_depth.added(x, learned, survival, name)
    return learned if options.preactivation else blocks.activation(learned, options.activation, f"{name}_out")


def _basic(x: keras.KerasTensor, width: int, strides: int, options: ResNetOptions, name: str) -> keras.KerasTensor:
    """Two 3x3 convolutions."""
    from kvision.layers import blocks

    bias = options.bias and not options.preactivation
    x = blocks.convolution(x, width, 3, options, name=f"{name}_a", strides=strides, use_bias=bias)
    return _linear(x, width, 3, options, name=f"{name}_b", use_bias=options.bias)


def _bottleneck(x: keras.KerasTensor, width: int, strides: int, options: ResNetOptions, name: str) -> keras.KerasTensor:
    """A 3x3 convolution, in groups perhaps, between two of 1x1."""
    from kvision.layers import blocks

    inner = width
    if options.groups > 1:
        inner = options.groups * max(1, options.group_width * width // options.widths()[0])
    early, late = (strides, 1) if options.stride_in == "1x1" else (1, strides)
    bias = options.bias and not options.preactivation
    x = blocks.convolution(x, inner, 1, options, name=f"{name}_a", strides=early, use_bias=bias)
    x = blocks.convolution(x, inner, 3, options, name=f"{name}_b", strides=late, groups=options.groups, use_bias=bias)
    return _linear(x, 4 * width, 1, options, name=f"{name}_c", use_bias=options.bias)


def _linear(
    x: keras.KerasTensor, filters: int, size: int, options: ResNetOptions, *, name: str, strides: int = 1, use_bias: bool = False
) -> keras.KerasTensor:
    """A convolution before a sum: with its normalisation, unless that comes before the next one."""
    from kvision.layers import blocks

    if not options.preactivation:
        return blocks.convolution(x, filters, size, options, name=name, strides=strides, use_bias=use_bias, activate=False)
    bias = use_bias or options.norm == "none"
    return blocks.plain_convolution(x, filters, size, options, name=f"{name}_conv", strides=strides, use_bias=bias)
