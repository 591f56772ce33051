"""A transformer's decoder over a grid of features.

Paper: Vaswani et al. 2017, arXiv 1706.03762; for captions: Sharma et al. 2018 (Conceptual Captions), ACL, section 4.
Deviations: blocks are normalised first, tokens are not scaled by the root of the width, and GELU stands for ReLU; `alpha` is the mean of the last
block's heads.
Shapes: image `[B, S, S, 3]` normalised; states `kl`, `vl` `[B, L + 1, C]` of each block l and `position` int32 `[B]`; `picture_kl`, `picture_vl`
`[B, G, C]`; logits `[B, V]`, `alpha` `[B, G]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.systems.captioning._part import Captioner, CaptionerOptions

if TYPE_CHECKING:
    import keras

    from kvision.core.schema import Recipe
    from kvision.systems.captioning._decoder import Decoder
    from kvision.systems.captioning._encoder import Seen


class TransformerCaptionerOptions(CaptionerOptions):
    """Size, and how places in the sentence are told apart; `embedding` is the width."""

    num_heads: int = Field(4, ge=1, le=64, description="Heads of each attention, a divisor of `embedding`.")
    num_layers: int = Field(3, ge=1, le=64, description="Blocks.")
    mlp_ratio: float = Field(4.0, gt=0.0, le=32.0, description="Units of each block's MLP, as a multiple of `embedding`.")
    positions: Literal["sinusoidal", "learned"] = Field("sinusoidal", description="What is added to a token for its place in the sentence.")


class TransformerCaptioner(Captioner):
    """Each token looks at those before it and at the picture."""

    Options = TransformerCaptionerOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The heads must divide the width."""
        options: TransformerCaptionerOptions = recipe.model  # type: ignore[assignment]
        found = super().check(recipe)
        if options.embedding % options.num_heads:
            found.append(("model.num_heads", f"{options.num_heads} does not divide embedding={options.embedding}; use a divisor"))
        return found

    def first(self, seen: Seen) -> dict[str, keras.KerasTensor]:
        """Room for what is kept of tokens, and the picture's keys and values."""
        import keras

        from kvision.systems.captioning import _transformer

        options: TransformerCaptionerOptions = self.recipe.model  # type: ignore[assignment]
        width = options.embedding
        found = {_transformer.POSITION: _transformer.Nothing((), "int32", name=_transformer.POSITION)(seen.features)}
        for number in range(options.num_layers):
            found |= {name: _transformer.Nothing((self.steps, width), name=name)(seen.features) for name in _transformer.kept(number)}
            keys, values = _transformer.seen(number)
            # A bias of the keys would change nothing: it adds the same to all that a softmax compares.
            found |= {keys: keras.layers.Dense(width, use_bias=False, name=keys)(seen.features)}
            found |= {values: keras.layers.Dense(width, name=values)(seen.features)}
        return found

    def decoder_layer(self, grid: tuple[int, int]) -> Decoder:
        """The blocks."""
        from kvision.systems.captioning._transformer import TransformerDecoder

        del grid
        options: TransformerCaptionerOptions = self.recipe.model  # type: ignore[assignment]
        return TransformerDecoder(
            size=self.vocabulary_size, embedding=options.embedding, steps=self.steps, dropout=options.dropout,
            num_heads=options.num_heads, num_layers=options.num_layers, mlp_ratio=options.mlp_ratio, positions=options.positions, name="decoder",
        )  # fmt: skip
