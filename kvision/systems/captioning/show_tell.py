"""Show and Tell (NIC): the picture is the first input of recurrent layers, which then say the sentence.

Paper: Vinyals et al. 2015, arXiv 1411.4555.
Deviations: the step that sees the picture has input weights of its own, not those of the tokens, and the picture's features are the mean of the
grid; `cell: rnn` and `gru`, and several layers.
Shapes: image `[B, S, S, 3]` normalised; of each layer l the states `hl` `[B, H]` and, of LSTMs, `cl` `[B, H]`; logits `[B, V]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.systems.captioning._part import Captioner, CaptionerOptions

if TYPE_CHECKING:
    import keras

    from kvision.systems.captioning._decoder import Decoder
    from kvision.systems.captioning._encoder import Seen


class ShowTellOptions(CaptionerOptions):
    """Size and kind of the recurrent layers."""

    cell: Literal["rnn", "lstm", "gru"] = Field("lstm", description="Kind of the recurrent layers.")
    units: int = Field(512, ge=1, le=8192, description="Of each layer.")
    num_layers: int = Field(1, ge=1, le=16, description="Recurrent layers.")


class ShowTell(Captioner):
    """Recurrent layers that are told once what the picture is."""

    Options = ShowTellOptions
    attends: ClassVar[bool] = False

    def first(self, seen: Seen) -> dict[str, keras.KerasTensor]:
        """The states after the step that sees the picture (equations 10 and 11), from states of 0."""
        import keras

        from kvision.systems.captioning._recurrent import names

        options: ShowTellOptions = self.recipe.model  # type: ignore[assignment]
        x = keras.layers.Dense(options.embedding, name="picture")(keras.layers.GlobalAveragePooling1D(name="features_mean")(seen.features))
        states: dict[str, keras.KerasTensor] = {}
        for number in range(options.num_layers):
            found = self._after_one(x, number)
            states |= dict(zip(names(options.cell, number), found, strict=True))
            x = found[0]
        return states

    def _after_one(self, x: keras.KerasTensor, number: int) -> tuple[keras.KerasTensor, ...]:
        """States of a layer after one step from 0, where products with them, and what is kept of them, are nothing."""
        import keras

        options: ShowTellOptions = self.recipe.model  # type: ignore[assignment]

        def gate(name: str, activation: str) -> keras.KerasTensor:
            return keras.layers.Dense(options.units, activation=activation, name=f"first{number}_{name}")(x)

        if options.cell == "rnn":
            return (gate("h", "tanh"),)
        candidate, entering = gate("candidate", "tanh"), gate("entering", "sigmoid")
        memory = keras.layers.Multiply(name=f"first{number}_memory")([entering, candidate])
        if options.cell == "gru":
            return (memory,)
        shown = keras.layers.Activation("tanh", name=f"first{number}_shown")(memory)
        return keras.layers.Multiply(name=f"first{number}_h")([gate("leaving", "sigmoid"), shown]), memory

    def decoder_layer(self, grid: tuple[int, int]) -> Decoder:
        """The recurrent layers."""
        from kvision.systems.captioning._recurrent import RecurrentDecoder

        del grid
        options: ShowTellOptions = self.recipe.model  # type: ignore[assignment]
        return RecurrentDecoder(
            size=self.vocabulary_size, embedding=options.embedding, steps=self.steps, dropout=options.dropout, cell=options.cell, units=options.units,
            num_layers=options.num_layers, name="decoder",
        )  # fmt: skip
