"""The plain recurrent captioner, h = tanh(Wx x + Wh h + Wi v), v being what is seen of the picture.

Paper: Karpathy & Fei-Fei 2015, arXiv 1412.2306, section 3.2; as in Stanford's course CS231n.
Deviations: the picture is added at each step, as the course writes it, and not at the first one alone (`picture_once: true`); tanh, not ReLU.
Shapes: image `[B, S, S, 3]` normalised; state `h0` and `picture` (Wi v) `[B, H]`; logits `[B, V]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.systems.captioning._part import Captioner, CaptionerOptions

if TYPE_CHECKING:
    import keras

    from kvision.systems.captioning._decoder import Decoder
    from kvision.systems.captioning._encoder import Seen


class RNNCaptionerOptions(CaptionerOptions):
    """Size, and when the picture is seen."""

    units: int = Field(512, ge=1, le=8192, description="Of the recurrent layer.")
    picture_once: bool = Field(False, description="Add the picture at the first step alone.")


class RNNCaptioner(Captioner):
    """One recurrent layer without gates."""

    Options = RNNCaptionerOptions
    attends: ClassVar[bool] = False

    def first(self, seen: Seen) -> dict[str, keras.KerasTensor]:
        """No state yet, and what the picture adds."""
        import keras

        from kvision.systems.captioning._recurrent import PICTURE

        options: RNNCaptionerOptions = self.recipe.model  # type: ignore[assignment]
        mean = keras.layers.GlobalAveragePooling1D(name="features_mean")(seen.features)
        picture = keras.layers.Dense(options.units, use_bias=False, name=PICTURE)(mean)
        return {"h0": keras.ops.zeros_like(picture), PICTURE: picture}

    def decoder_layer(self, grid: tuple[int, int]) -> Decoder:
        """The recurrent layer."""
        from kvision.systems.captioning._recurrent import RecurrentDecoder

        del grid
        options: RNNCaptionerOptions = self.recipe.model  # type: ignore[assignment]
        return RecurrentDecoder(
            size=self.vocabulary_size, embedding=options.embedding, steps=self.steps, dropout=options.dropout, cell="rnn", units=options.units,
            picture_once=options.picture_once, name="decoder",
        )  # fmt: skip
