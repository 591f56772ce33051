"""k-nearest neighbours: the training examples that are nearest to a picture vote for its class.

Paper: Cover & Hart 1967, Nearest neighbor pattern classification, IEEE Trans. Inf. Theory 13(1).
Deviations: none; a probability is the share of the votes, with one more vote spread evenly over the classes.
Shapes: image `[B, S, S, 3]` normalised, features `[B, D]`, logits `[B, K]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError, UsageError
from kvision.core.schema import Chosen, Count, Recipe
from kvision.systems.classification import _handmade, _loss
from kvision.systems.classification._handmade import FeatureOptions
from kvision.systems.classification._part import Classifier, ClassifierOptions
from kvision.systems.classification._transfer import CANDIDATES, HEAD, TransferOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras
    import numpy as np

    from kvision.data.source import DataInfo, Source, SplitName
    from kvision.engine.pretrained import Pretrained
    from kvision.engine.system import Examples

_UNUSED = (*TransferOptions.model_fields, "dropout")


class KNNOptions(FeatureOptions, ClassifierOptions):
    """How many neighbours, how they are found and among how many."""

    k: Literal["auto"] | Count = Field("auto", description="How many of the nearest examples vote; `auto`: the best of `candidates`.")
    candidates: tuple[Count, ...] = Field(CANDIDATES, min_length=1, description="`k: auto`: the values that are tried.")
    choose: Literal["validation", "folds"] = Field(
        "validation", description="`k: auto`: by the accuracy on the validation examples, or by cross-validation on the training examples."
    )
    folds: int = Field(5, ge=2, le=100, description="`choose: folds`: parts of the training examples, each asked of all the others.")
    metric: Literal["l1", "l2", "cosine"] = Field("l2", description="Distance: sum of absolute differences, Euclidean, or the angle.")
    examples: Literal["auto"] | Count = Field(
        "auto",
        description="Training examples that are kept, of each class its share; size and time of the model grow with them; `auto`: all.",
    )

    def chosen(self) -> dict[str, Chosen]:
        """`k` by trial, `examples` by the data."""
        found = {**super().chosen(), **({"k": Chosen("the best of the candidates, tried when training starts")} if self.k == "auto" else {})}
        return found | ({"examples": Chosen("all training examples, counted when training starts")} if self.examples == "auto" else {})


class KNN(Classifier):
    """Votes of the nearest training examples."""

    Options = KNNOptions
    exempt: ClassVar[Mapping[str, str]] = {
        "gradients": "it has nothing to train: all that it knows is set by fit",
        "overfits": "no step lowers the loss, for nothing is learnt by steps",
    }

    def __init__(self, recipe: Recipe, info: DataInfo) -> None:
        super().__init__(recipe, info)
        if self.several:
            raise UsageError(f"system: {recipe.system} votes for one class, the data has several classes a picture; use another system")

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Options of `k: auto` without it, those of networks that learn, and loss settings that the chosen loss does not look at."""
        options: KNNOptions = recipe.model  # type: ignore[assignment]
        defaults = KNNOptions.model_fields
        found = _handmade.faults(recipe) + _loss.faults(recipe)
        trying = ("candidates", "choose", "folds") if options.k != "auto" else ("folds",) if options.choose != "folds" else ()
        idle = [(name, "k=auto" if options.k != "auto" else "choose=folds") for name in trying]
        found += [
            (f"model.{name}", f"{getattr(options, name)} has no effect without {instead}; take it out")
            for name, instead in idle
            if getattr(options, name) != defaults[name].default
        ]
        found += [
            (f"model.{name}", f"{getattr(options, name)} has no effect, for nothing is learnt; take it out")
            for name in _UNUSED
            if getattr(options, name) != defaults[name].default
        ]
        if options.examples != "auto":
            found += _too_many(options, options.examples)
        return found

    @classmethod
    def settle(cls, recipe: Recipe, source: Source) -> dict[str, Chosen]:
        """`examples`: as many as the training split has; raises `DataError` where that is too few to vote."""
        options: KNNOptions = recipe.model  # type: ignore[assignment]
        decided = super().settle(recipe, source)
        if options.examples != "auto":
            return decided
        count = len(source.split("train"))
        for path, message in _too_many(options, count):
            raise DataError(f"{path}: {message}")
        return decided | {"model.examples": Chosen("all training examples", count)}

    def body(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """What is compared, `[B, D]`."""
        import keras

        features = _handmade.extract(image, self.recipe.model)  # type: ignore[arg-type]
        return features if len(features.shape) == 2 else keras.layers.Flatten(name="flat")(features)

    def head(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """The votes of the nearest examples as logits `[B, K]`."""
        from kvision.layers.neighbours import NearestNeighbours

        o: KNNOptions = self.recipe.model  # type: ignore[assignment]
        largest_k = max(o.candidates) if o.k == "auto" else o.k
        return NearestNeighbours(int(o.examples), self.info.num_classes, largest_k, o.metric, name=HEAD)(features)

    def pretrained(self, base: Path) -> Pretrained | None:
        """No weights; but pictures as they are, where there are features of them."""
        del base
        return _handmade.raw_pictures(self.recipe.model)  # type: ignore[arg-type]

    def fit(self, examples: Examples) -> None:
        """Remembers the training examples and chooses k; raises `DataError` where there are fewer than are to be kept."""
        import numpy as np

        from kvision.data import splits

        o: KNNOptions = self.recipe.model  # type: ignore[assignment]
        _handmade.fit(self.net, o, examples, self.recipe.train.seed)
        features, labels = self._features(examples, "train")
        if len(features) < int(o.examples):
            raise DataError(f"model.examples: {o.examples} of {len(features)} training examples can't be kept; use at most {len(features)}, or auto")
        kept = splits.pick(np.arange(len(labels)), labels, int(o.examples))
        features, labels = features[kept], labels[kept]
        self._chosen = {"model.k": self._choose(features, labels, examples)} if o.k == "auto" else {}
        k = self._chosen["model.k"].value if self._chosen else o.k
        self.net.get_layer(HEAD).remember(features, labels, k)

    def _choose(self, features: np.ndarray, labels: np.ndarray, examples: Examples) -> Chosen:
        """The k of the highest accuracy, and the accuracies of all candidates."""
        from kvision.core import words
        from kvision.data import splits
        from kvision.layers import neighbours

        o: KNNOptions = self.recipe.model  # type: ignore[assignment]
        if o.choose == "folds":
            found = neighbours.cross_validated(features, labels, splits.folds(labels, o.folds), o.candidates, o.metric)
            of = f"mean accuracy on {o.folds} folds of the training examples"
        else:
            queries, truth = self._features(examples, "val")
            found = neighbours.validated(features, labels, queries, truth, o.candidates, o.metric)
            of = f"accuracy on {words.counted(len(queries), 'validation example')}"
        return neighbours.best(found, of)

    def _features(self, examples: Examples, split: SplitName) -> tuple[np.ndarray, np.ndarray]:
        """What is compared, float32 `[N, D]`, and the labels int64 `[N]` of a split."""
        import keras
        import numpy as np

        body = keras.Model(self.net.input, self.net.get_layer(HEAD).input)
        parts = [(body(batch["image"], training=True).numpy(), batch["label"]) for batch in examples(split)]  # in training there is but one view
        features, labels = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(labels).astype(np.int64)


def _too_many(options: KNNOptions, count: int) -> list[tuple[str, str]]:
    """Where more neighbours are asked for than there are in `count` examples, or in all folds but the largest, as `System.check` tells it."""
    option, most = ("candidates", max(options.candidates)) if options.k == "auto" else ("k", options.k)
    by_folds = options.k == "auto" and options.choose == "folds"
    left = count - -(-count // options.folds) if by_folds else count
    where = f"{count} examples less a fold of {options.folds}" if by_folds else f"{count} examples"
    return [(f"model.{option}", f"{most} can't vote where there are {where}; use at most {left}")] if most > left else []
