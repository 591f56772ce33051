"""GoogLeNet: blocks that look with several kernels at once, and two auxiliary heads that bring gradients to the middle.

Paper: Szegedy et al. 2015, arXiv 1409.4842.
Deviations: normalisation after each convolution (Ioffe & Szegedy 2015, arXiv 1502.03167) in place of the local response normalisation of the stem;
`norm: none` has the paper's 6,998,552 parameters. A small picture's stem is one 3x3 convolution.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`; the auxiliary heads are trained, and neither asked nor exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Chosen, NonNegative
from kvision.layers.style import Style
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kvision.engine.system import Batch

# Table 1, blocks 3a to 5b: filters of 1x1; of the 1x1 before 3x3, and of 3x3; likewise 5x5; and of the 1x1 after the pooling.
_STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
_AUXILIARY_FILTERS, _AUXILIARY_UNITS, _AUXILIARY_DROPOUT = 128, 1024, 0.7


class GoogLeNetOptions(Style, ClassifierOptions):
    """Size and make of the network."""

    width: NonNegative = Field(1.0, gt=0.0, le=16.0, description="Factor on all filters.")
    blocks: tuple[Literal[1, 2], Literal[1, 2, 3, 4, 5], Literal[1, 2]] = Field((2, 5, 2), description="How many of its blocks each stage has.")
    stem: Stem = Field("auto", description="With strides and poolings, or none; `auto`: cifar below 64 px.")
    auxiliary: NonNegative = Field(0.3, description="Weight of each auxiliary head's loss; 0: no such heads.")
    auxiliary_dropout: float = Field(_AUXILIARY_DROPOUT, ge=0.0, lt=1.0, description="Share of an auxiliary head's units dropped in training.")
    dropout: float = Field(0.4, ge=0.0, lt=1.0, description="Share of the features that is dropped before the logits in training.")

    def chosen(self) -> dict[str, Chosen]:
        """`stem`: by the size of the pictures."""
        return super().chosen() | chosen_stem(self.stem)

    @property
    def branches(self) -> tuple[str, ...]:
        """The blocks that auxiliary heads grow from: 4a and 4d, or the first and last but one of fewer."""
        return tuple(f"inception4{'abcde'[place]}" for place in sorted({0, max(0, self.blocks[1] - 2)}))


class GoogLeNet(Classifier):
    """Nine inception blocks in three stages."""

    Options = GoogLeNetOptions

    @property
    def options(self) -> GoogLeNetOptions:
        """The recipe's."""
        return self.recipe.model  # type: ignore[return-value]

    def build(self) -> dict[str, keras.Model]:
        """The network `net` that predicts, and in training `auxiliary`: maps of its blocks to float32 logits `[B, K]` of each head."""
        import keras

        networks, options = super().build(), self.options
        if not options.auxiliary:
            return networks
        net = networks["net"]
        maps = [net.get_layer(name).output for name in options.branches]
        self._with_maps = keras.Model(net.input, [net.output, *maps], name="net_with_maps")
        entries = [keras.Input(each.shape[1:], name=name) for name, each in zip(options.branches, maps, strict=True)]
        auxiliary = keras.Model(entries, [self._auxiliary(entry) for entry in entries], name="auxiliary")
        auxiliary.trainable = options.transfer in ("none", "fine_tune")  # to a frozen body they have nothing to say
        return {**networks, "auxiliary": auxiliary}

    def trainables(self) -> dict[str, list[keras.Variable]]:
        """One optimizer for both networks."""
        return {"net": [variable for net in self.networks.values() for variable in net.trainable_variables]}

    def example_losses(self, batch: Batch, training: bool = True) -> tf.Tensor:
        """The loss of each example `[B]`, with a share of what the auxiliary heads lose."""
        if not self.options.auxiliary:
            return super().example_losses(batch, training)
        import tensorflow as tf

        logits, *maps = self._with_maps(batch["image"], training=training)
        result = self.losses(logits, batch) + self.penalty()
        for head in tf.nest.flatten(self.networks["auxiliary"](maps, training=training)):  # Keras makes no list of a single one
            result += self.options.auxiliary * self.losses(head, batch)
        return result

    def expected_initial_loss(self) -> float | None:
        """That of the main head, and the share of each auxiliary one."""
        main = super().expected_initial_loss()
        return None if main is None else main * (1.0 + self.options.auxiliary * len(self.options.branches))

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last block's map `[B, S / 32, S / 32, C]` (a small picture's: S / 4)."""
        import keras

        x, options = self._stem(image), self.options
        for number, (stage, count) in enumerate(zip(_STAGES, options.blocks, strict=True), 3):
            if number > 3:
                x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{number}")(x)
            for letter, filters in zip("abcde", stage[:count], strict=False):
                x = _inception(x, [self._filters(each) for each in filters], options, f"inception{number}{letter}")
        return x

    def _filters(self, count: int) -> int:
        return max(1, round(count * self.options.width))

    def _stem(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """`[B, S / 8, S / 8, C]`, or of small pictures `[B, S, S, C]`."""
        import keras

        from kvision.layers import blocks

        options = self.options
        if small_stem(options.stem, self.recipe.data.size_px):
            return blocks.convolution(image, self._filters(192), 3, options, name="stem")
        x = blocks.convolution(image, self._filters(64), 7, options, name="conv1", strides=2)
        x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
        x = blocks.convolution(x, self._filters(64), 1, options, name="conv2_reduce")
        x = blocks.convolution(x, self._filters(192), 3, options, name="conv2")
        return keras.layers.MaxPooling2D(3, strides=2, padding="same", name="pool2")(x)

    def _auxiliary(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Logits of a block's map."""
        import keras

        from kvision.layers import blocks, dense
        from kvision.layers.dropout import Dropout

        options, name = self.options, x.name
        x = keras.layers.AveragePooling2D(min(5, x.shape[1]), strides=3, name=f"{name}_pool")(x)
        x = blocks.convolution(x, self._filters(_AUXILIARY_FILTERS), 1, options, name=f"{name}_reduce")
        x = dense.hidden(x, [self._filters(_AUXILIARY_UNITS)], options, name=f"{name}_hidden")
        x = Dropout(options.auxiliary_dropout, name=f"{name}_dropout")(x)
        return self.averaged(keras.layers.Dense(self.info.num_classes, dtype="float32", name=f"{name}_logits")(x), f"{name}_averaged")


def _inception(x: keras.KerasTensor, filters: list[int], style: Style, name: str) -> keras.KerasTensor:
    """One block (figure 2b): 1x1, 3x3 and 5x5 convolutions and a pooling beside each other."""
    import keras

    from kvision.layers import blocks

    one, before_three, three, before_five, five, pooled = filters
    parts = [blocks.convolution(x, one, 1, style, name=f"{name}_1x1")]
    for size, before, after in ((3, before_three, three), (5, before_five, five)):
        reduced = blocks.convolution(x, before, 1, style, name=f"{name}_{size}x{size}_reduce")
        parts.append(blocks.convolution(reduced, after, size, style, name=f"{name}_{size}x{size}"))
    pool = keras.layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    parts.append(blocks.convolution(pool, pooled, 1, style, name=f"{name}_pooled"))
    return keras.layers.Concatenate(name=name)(parts)
