"""DenseNet: each layer sees the maps of all layers before it.

Paper: Huang, Liu, van der Maaten & Weinberger 2017, arXiv 1608.06993 (DenseNet-BC: with bottlenecks and compression).
Deviations: none.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kvision.core.schema import Chosen, Count, Recipe
from kvision.layers.style import Style
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras

    from kvision.engine.pretrained import Pretrained

_IMAGENET = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 161: (6, 12, 36, 24), 264: (6, 12, 64, 48)}
_BOTTLENECK = 4


class DenseNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    depth: int = Field(
        121,
        ge=10,
        le=1000,
        description="Layers: 121, 161, 169, 201 or 264 as for ImageNet, in four stages; or 6 n + 4, as for CIFAR, in three: 40, 100.",
    )
    stages: tuple[Count, ...] | None = Field(None, min_length=1, max_length=6, description="Dense layers of each stage; none: by `depth`.")
    growth: Count | None = Field(None, description="Maps that each layer adds; none: 32, at depth 161 48, or 12 in a CIFAR depth.")
    compression: float = Field(0.5, gt=0.0, le=1.0, description="Share of the maps that is kept between stages.")
    stem: Stem = Field("auto", description="7x7 with stride 2 and pooling, or 3x3 for small pictures; `auto`: cifar below 64 px.")

    @property
    def is_cifar(self) -> bool:
        """Whether it has the three stages of the networks for CIFAR."""
        return self.depth not in _IMAGENET

    def chosen(self) -> dict[str, Chosen]:
        """`stages` and `growth`: by the depth; `stem`: by the size of the pictures."""
        stages = ((self.depth - 4) // 6,) * 3 if self.is_cifar else _IMAGENET[self.depth]
        growth = 12 if self.is_cifar else 48 if self.depth == 161 else 32
        found = self.left_open(f"depth={self.depth}", stages=list(stages), growth=growth)
        return super().chosen() | found | chosen_stem(self.stem)


class DenseNet(Classifier):
    """Stages of dense layers, halved in size and in maps between them."""

    Options = DenseNetOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The depth must be one there is."""
        options: DenseNetOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe)
        if options.stages is None and options.is_cifar and (options.depth - 4) % 6:
            near = 6 * max(1, round((options.depth - 4) / 6)) + 4
            problems.append(("model.depth", f"{options.depth} is no depth; use 121, 161, 169, 201, 264, or 6 n + 4 such as {near}"))
        if options.activation == "maxout":
            problems.append(("model.activation", "maxout halves the maps before each convolution, which here may be odd in number; use relu"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last stage's map `[B, S / 32, S / 32, C]` (a small picture's: S / 4)."""
        import keras

        from kvision.layers import blocks

        options: DenseNetOptions = self.recipe.model  # type: ignore[assignment]
        stages, growth = options.used("stages"), options.used("growth")
        x = self._stem(image, 2 * growth, options)
        for stage, count in enumerate(stages):
            if stage:
                x = _before(x, max(1, int(x.shape[-1] * options.compression)), 1, options, f"transition{stage}")
                x = keras.layers.AveragePooling2D(2, name=f"transition{stage}_pool")(x)
            for number in range(count):
                name = f"stage{stage}_layer{number}"
                added = _before(x, _BOTTLENECK * growth, 1, options, f"{name}_a")
                added = _before(added, growth, 3, options, f"{name}_b")
                x = keras.layers.Concatenate(name=f"{name}_concat")([x, added])
        return blocks.activation(blocks.normalise(x, options.norm, "last_norm"), options.activation, "last_act")

    def imagenet(self) -> Pretrained:
        """Those of keras.applications for depth 121, 169 and 201."""
        from kvision.systems.classification import _keras_weights

        options: DenseNetOptions = self.recipe.model  # type: ignore[assignment]
        if options.depth not in (121, 169, 201):
            return super().imagenet()
        return _keras_weights.applications(f"DenseNet{options.depth}", self.net, "torch")

    def _stem(self, image: keras.KerasTensor, filters: int, options: DenseNetOptions) -> keras.KerasTensor:
        """`[B, S / 4, S / 4, C]`, or of small pictures `[B, S, S, C]`."""
        import keras

        from kvision.layers import blocks

        if small_stem(options.stem, self.recipe.data.size_px):
            return blocks.plain_convolution(image, filters, 3, options, name="stem_conv")
        x = blocks.convolution(image, filters, 7, options, name="stem", strides=2)
        x = keras.layers.ZeroPadding2D(1, name="pool_pad")(x)
        return keras.layers.MaxPooling2D(3, strides=2, name="pool")(x)


def _before(x: keras.KerasTensor, filters: int, size: int, options: DenseNetOptions, name: str) -> keras.KerasTensor:
    """Normalisation and activation before the convolution."""
    from kvision.layers import blocks

    x = blocks.activation(blocks.normalise(x, options.norm, f"{name}_norm"), options.activation, f"{name}_act")
    return blocks.plain_convolution(x, filters, size, options, name=f"{name}_conv", use_bias=options.norm == "none")
