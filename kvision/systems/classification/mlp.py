"""Multilayer perceptron: pixels through layers of units that each see the whole layer before.

Paper: Rumelhart, Hinton & Williams 1986, Nature 323; `dropout`, `max_norm`: Srivastava et al. 2014, JMLR 15; `dropconnect`: Wan et al. 2013 (ICML);
`activation: maxout`: Goodfellow et al. 2013, arXiv 1302.4389; `whiten`: see kvision.layers.whitening.
Deviations: none.
Shapes: image `[B, S, S, 3]` normalised, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core import checks
from kvision.core.schema import Count, NonNegative, Positive, Recipe
from kvision.layers.style import Norm, Style
from kvision.systems.classification import _handmade
from kvision.systems.classification._handmade import FeatureOptions
from kvision.systems.classification._part import Classifier, ClassifierOptions

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from kvision.engine.pretrained import Pretrained
    from kvision.engine.system import Examples


class MLPOptions(FeatureOptions, Style, ClassifierOptions):
    """Size and make of the network."""

    hidden: tuple[Count, ...] = Field((256, 128, 100), max_length=64, description="Units of each hidden layer; an empty list: a linear classifier.")
    norm: Norm = Field("none", description="Normalisation before each activation; `layer`: over each example, `group`: over 8 groups of units.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of each hidden layer's outputs that is dropped in training.")
    dropconnect: float = Field(0.0, ge=0.0, lt=1.0, description="Share of each hidden layer's weights that is dropped in training.")
    max_norm: Positive | None = Field(None, description="Largest length of the weights into a hidden unit, 3 or 4 beside dropout; none: any.")
    whiten: Literal["none", "pca", "zca"] = Field(
        "none", description="Makes the inputs uncorrelated and of variance 1, as fitted to the training examples; `zca`: and as like them as can be."
    )
    components: Count | None = Field(None, description="`whiten`: principal components that are kept, those of the greatest variance; none: all.")
    epsilon: NonNegative = Field(1e-5, description="`whiten`: is added to each variance, so that noise is not amplified.")


class MLP(Classifier):
    """Hidden layers of units over all pixels, or over features of them."""

    Options = MLPOptions

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """The options must have an effect."""
        options: MLPOptions = recipe.model  # type: ignore[assignment]
        problems = super().check(recipe) + _handmade.faults(recipe)
        problems += checks.without_effect("model", options, "whiten", dict.fromkeys(("components", "epsilon"), ("pca", "zca")))
        if options.norm == "instance":
            problems.append(("model.norm", "instance is the norm of a channel's picture, and a unit has but one value; use layer or batch"))
        if not options.hidden:
            idle = [
                name for name in ("norm", "activation", "dropconnect", "max_norm") if getattr(options, name) != MLPOptions.model_fields[name].default
            ]
            problems += [(f"model.{name}", f"{getattr(options, name)} has no effect without model.hidden; take it out") for name in idle]
        return problems

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """The last hidden layer `[B, D]`."""
        from kvision.layers import dense, whitening

        o: MLPOptions = self.recipe.model  # type: ignore[assignment]
        x = _handmade.extract(image, o)
        if o.whiten != "none":
            x = whitening.whiten(x, o.whiten, o.components)
        return dense.hidden(x, o.hidden, o, norm=o.norm, dropout=o.dropout, dropconnect=o.dropconnect, max_norm=o.max_norm)

    def pretrained(self, base: Path) -> Pretrained | None:
        """As for all classifiers; without weights, pictures as they are where there are features of them."""
        return super().pretrained(base) or _handmade.raw_pictures(self.recipe.model)  # type: ignore[arg-type]

    def fit(self, examples: Examples) -> None:
        """Fits features and whitening, unless they came with the weights of another run."""
        o: MLPOptions = self.recipe.model  # type: ignore[assignment]
        if o.weights is None:
            _handmade.fit(self.net, o, examples, self.recipe.train.seed)
        if o.whiten != "none" and o.weights is None:
            import keras

            from kvision.layers import whitening

            layer = self.net.get_layer(whitening.NAME)
            before = keras.Model(self.net.input, layer.input)
            inputs = (before(batch["image"], training=True).numpy() for batch in examples("train"))  # in training pictures have but one view
            whitening.fit(layer, inputs, o.whiten, o.components, o.epsilon)
        super().fit(examples)
