"""Show, Attend and Tell: an LSTM that looks at another part of the picture for each word.

Paper: Xu et al. 2015, arXiv 1502.03044.
Deviations: the deep output goes through tanh, as in the authors' code; the penalty on attention is a mean over the places, not a sum; hard attention
looks at the most probable place when it is not trained, its draws are rewarded by each token alone, and its baseline is the mean of the sentence;
local attention (Luong 2015, arXiv 1508.04025, section 3.2) has a window in two dimensions, within the softmax. With `query: word` the last word
decides where it looks, too (Sennrich 2017, arXiv 1703.04357, section 3.2): the paper's state does not know yet whether `red` or `blue` was said.
Shapes: image `[B, S, S, 3]` normalised; states `h`, `c` `[B, H]`; `features` `[B, G, D]`, `keys` `[B, G, A]`; logits `[B, V]`, `alpha` `[B, G]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from kvision.core import checks
from kvision.systems.captioning._part import Captioner, CaptionerOptions

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kvision.core.schema import Recipe
    from kvision.systems.captioning._decoder import Decoder
    from kvision.systems.captioning._encoder import Seen


class ShowAttendTellOptions(CaptionerOptions):
    """Size and kind of the attention."""

    units: int = Field(512, ge=1, le=8192, description="Of the LSTM.")
    attention_units: int = Field(512, ge=1, le=8192, description="Of the attention.")
    attention: Literal["soft", "hard"] = Field("soft", description="Look at the mean of all places, or at one that is drawn (REINFORCE).")
    entropy: float = Field(0.01, ge=0.0, description="`hard`: weight of the entropy of where it looks, which is rewarded.")
    query: Literal["state", "word"] = Field("state", description="What decides where it looks: the state before the last word, or this word as well.")
    window: float = Field(0.0, ge=0.0, description="Width of the window of local attention, in places, around one that it chooses; 0: none.")


class ShowAttendTell(Captioner):
    """Soft, hard or local attention over a grid of features."""

    Options = ShowAttendTellOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """What hard attention alone looks at, beside the rest."""
        return super().check(recipe) + checks.without_effect("model", recipe.model, "attention", {"entropy": ("hard",)})

    def first(self, seen: Seen) -> dict[str, keras.KerasTensor]:
        """States of the mean of all features (section 3.1.2), the features, and these as the attention sees them."""
        import keras

        options: ShowAttendTellOptions = self.recipe.model  # type: ignore[assignment]
        mean = keras.layers.GlobalAveragePooling1D(name="features_mean")(seen.features)
        states = {name: keras.layers.Dense(options.units, activation="tanh", name=f"first_{name}")(mean) for name in ("h", "c")}
        keys = keras.layers.Dense(options.attention_units, name="keys")(seen.features)
        return {**states, "features": seen.features, "keys": keys}

    def decoder_layer(self, grid: tuple[int, int]) -> Decoder:
        """Attention, LSTM and deep output."""
        from kvision.systems.captioning._attention import AttentionDecoder

        options: ShowAttendTellOptions = self.recipe.model  # type: ignore[assignment]
        return AttentionDecoder(
            size=self.vocabulary_size, embedding=options.embedding, steps=self.steps, dropout=options.dropout, units=options.units,
            attention=options.attention_units, grid=grid, hard=options.attention == "hard", window=options.window,
            word=options.query == "word", name="decoder",
        )  # fmt: skip

    def extra_losses(self, said: Any, losses: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
        """What teaches hard attention where to look."""
        from kvision.losses import captions

        options: ShowAttendTellOptions = self.recipe.model  # type: ignore[assignment]
        if said.chosen is None:
            return losses
        return losses + captions.places_drawn(said.alpha, said.chosen, losses, counted, entropy=options.entropy)
