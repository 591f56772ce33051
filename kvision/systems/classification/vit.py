"""ViT: a transformer over patches of the picture, without convolutions.

Paper: Dosovitskiy et al. 2021, arXiv 2010.11929; `pool: mean` and `positions: sinusoidal`: Beyer et al. 2022, arXiv 2205.01580; `survival`: Huang et
al. 2016 (stochastic depth), arXiv 1603.09382.
Deviations: one linear layer as the head, as in the paper's fine-tuning; the paper pre-trains with a hidden layer before it. timm's
weights fit as they are, with 64 channels a head (`heads: width / 64`), and so do DeiT's without the token of distillation.
Shapes: image `[B, S, S, 3]` normalised, N = (S / patch_px)^2 tokens, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core.schema import Count, Recipe
from kvision.layers.style import TransformerStyle
from kvision.layers.widths import divisor
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    import keras

    from kvision.systems.classification._torch_weights import Naming


class ViTOptions(TransformerStyle, ClassifierOptions):
    """Size and make of the network; B/16: 16 px, width 768, depth 12, 12 heads."""

    patch_px: Count = Field(16, description="Side of the patches, pixels; it divides `data.size_px`. 4 suits pictures of 28 or 32 px.")
    width: Count = Field(768, description="Channels of each token: Ti 192, S 384, B 768, L 1024.")
    depth: Count = Field(12, description="Blocks.")
    heads: Count = Field(12, description="Heads of attention; a divisor of `width`: Ti 3, S 6, B 12, L 16.")
    positions: Literal["learned", "sinusoidal", "none"] = Field(
        "learned", description="How a token knows its place; `none`: the control experiment, to which all orders of the patches are one."
    )
    pool: Literal["token", "mean"] = Field("token", description="What becomes the logits: a class token of its own, or the mean of all.")
    token_dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the values of the embedded tokens that is dropped in training.")


class ViT(Classifier):
    """A vision transformer for square images of `data.size_px`."""

    Options = ViTOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Patches must fill the picture, and heads the width."""
        options: ViTOptions = recipe.model  # type: ignore[assignment]
        problems, size_px = super().check(recipe), recipe.data.size_px
        if size_px % options.patch_px:
            fitting = [patch for patch in range(1, size_px) if size_px % patch == 0]
            near = min(fitting, key=lambda patch: abs(patch - options.patch_px))
            problems.append(("model.patch_px", f"{options.patch_px} does not divide size_px={size_px}; use a divisor such as {near}"))
        if options.width % options.heads:
            near = divisor(options.width, options.heads)
            problems.append(("model.heads", f"{options.heads} does not divide width={options.width}; use a divisor such as {near}"))
        if options.positions == "sinusoidal" and options.width % 4:
            near = options.width + -options.width % 4
            problems.append(("model.width", f"{options.width} is no multiple of 4, as positions=sinusoidal needs; use {near}, or positions=learned"))
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The class token, or the mean of all, `[B, width]`."""
        import keras

        from kvision.layers import blocks, patches, stochastic_depth, transformer
        from kvision.layers.attention import SelfAttention
        from kvision.layers.dropout import Dropout

        options: ViTOptions = self.recipe.model  # type: ignore[assignment]
        side = self.recipe.data.size_px // options.patch_px
        x = patches.embed(image, options.patch_px, options.width, blocks.initializer(options.initializer))
        if options.pool == "token":
            x = patches.ClassToken(name="class_token")(x)
        if options.positions != "none":
            x = patches.Positions(options.positions, (side, side), name="positions")(x)
        if options.token_dropout:
            x = Dropout(options.token_dropout, name="token_dropout")(x)
        for number in range(options.depth):
            name, survival = f"block{number}", stochastic_depth.falling(options.survival, number + 1, options.depth)
            attention = SelfAttention(options.heads, kernel_initializer=blocks.initializer(options.initializer), name=f"{name}_attention")
            x = transformer.block(x, attention, options, survival, name)
        x = transformer.normalise(x, "last_norm")
        return x[:, 0] if options.pool == "token" else keras.layers.GlobalAveragePooling1D(name="mean")(x)

    def namings(self) -> tuple[Naming, ...]:
        """Those of timm."""
        from kvision.systems.classification import _torch_names

        return (_torch_names.vit(),)
