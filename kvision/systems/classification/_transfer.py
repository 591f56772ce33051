"""Transfer learning: where the weights of a classifier begin, which of them learn, how fast and from when, and which are fitted.

Papers: Yosinski et al. 2014, arXiv 1411.1792 (what transfers); Howard & Ruder 2018, arXiv 1801.06146 (slower rates for earlier layers, unfreezing).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from kvision.core import checks
from kvision.core.errors import DataError, UsageError
from kvision.core.schema import Chosen, Count, GroupOptions, Positive, Probability, Section

if TYPE_CHECKING:
    import keras

    from kvision.data.source import Source
    from kvision.layers.neighbours import NearestNeighbours

METRIC: Literal["cosine"] = "cosine"
"""How near features are."""
HEAD = "logits"
"""Name of the layer that belongs to the task alone."""
FITTED = ("linear_probe", "knn")
"""Kinds of transfer that learn nothing step by step: the head is fitted to the features of the whole training split."""
_MOST_GROUPS = 12
_USED_BY = {
    **dict.fromkeys(("body_lr_scale", "layer_decay", "thaw_at"), ("fine_tune",)),
    **dict.fromkeys(("probe", "probe_c"), ("linear_probe",)),
    **dict.fromkeys(("knn_k", "knn_examples"), ("knn",)),
}
CANDIDATES = (1, 3, 5, 7, 9, 13, 17, 25)
"""Numbers of neighbours that are tried, as far as there are examples."""


class TransferOptions(Section):
    """Weights to begin with, and what is done with them."""

    weights: str | None = Field(
        None,
        description="Where the weights begin: a run's folder, a .keras file, a .safetensors or .pth file by our names or published ones, or "
        "`imagenet` (downloaded); those of the logits only where they fit; none: random.",
    )
    transfer: Literal["none", "freeze", "fine_tune", "linear_probe", "knn"] = Field(
        "none",
        description="`freeze`: only the logits learn; `fine_tune`: the body learns by `body_lr_scale`, its batch norms keep their statistics; "
        "`linear_probe`: the logits are fitted once to the body's features, by scikit-learn; `knn`: the training examples "
        "whose features are nearest by their angle vote; `none`: all learn alike.",
    )
    body_lr_scale: float = Field(0.1, gt=0.0, le=1.0, description="`fine_tune`: factor on the body's learning rate.")
    layer_decay: float = Field(1.0, gt=0.0, le=1.0, description="`fine_tune`: factor on the rate from each twelfth of the body to the one before it.")
    thaw_at: Probability = Field(0.0, description="`fine_tune`: fraction of the run after which the body learns, too (freeze, then unfreeze).")
    probe: Literal["logistic", "svm"] = Field("logistic", description="`linear_probe`: logistic regression, or a linear SVM (squared hinge).")
    probe_c: Literal["auto"] | Positive = Field(
        "auto", description="`linear_probe`: inverse strength of its L2 penalty; `auto`: the best on folds of the training examples."
    )

    knn_k: Literal["auto"] | Count = Field("auto", description="`knn`: how many examples vote; `auto`: the best on folds of the training examples.")
    knn_examples: Literal["auto"] | Count = Field("auto", description="`knn`: how many there are to vote; `auto`: counted when training starts.")

    @classmethod
    def of_kind(cls, transfer: str) -> dict[str, Any]:
        """The values that make a recipe's model one of this kind: options of other kinds have their defaults, and `none` has no weights."""
        others = {name: cls.model_fields[name].default for name, users in _USED_BY.items() if transfer not in users}
        return {"transfer": transfer, **others, **({"weights": None} if transfer == "none" else {})}

    def chosen(self) -> dict[str, Chosen]:
        """`probe_c` and `knn_k`: by cross-validation, when training starts; `knn_examples`: by the data."""
        folds = Chosen("chosen on folds of the training examples when training starts")
        kinds = {"probe_c": folds, "knn_k": folds, "knn_examples": Chosen("all training examples, counted when training starts")}
        return {name: choice for name, choice in kinds.items() if self.transfer in _USED_BY[name] and getattr(self, name) == "auto"}


def faults(options: TransferOptions) -> list[tuple[str, str]]:
    """Options that don't go together, as `System.check` tells them."""
    found = []
    if options.transfer != "none" and options.weights is None:
        found.append(("model.transfer", f"{options.transfer} keeps weights, but there are none; set model.weights to a run, a file or imagenet"))
    return found + checks.without_effect("model", options, "transfer", _USED_BY)


def settle(options: TransferOptions, source: Source) -> dict[str, Chosen]:
    """`knn_examples`, as `System.settle` says it.

    Args:
        options: Of the system.
        source: The data.

    Returns:
        The number of training examples, if they vote and it is not known yet.

    Raises:
        UsageError: If a picture can have several classes.
        DataError: If there are fewer examples than shall vote.
    """
    if options.transfer != "knn":
        return {}
    if "label" not in source.info.fields:
        raise UsageError("model.transfer: knn votes for one class, the data has several classes a picture; use linear_probe")
    count = len(source.split("train")) if options.knn_examples == "auto" else options.knn_examples
    if options.knn_k != "auto" and options.knn_k > count:
        raise DataError(f"model.knn_k: {options.knn_k} of {count} training examples can't vote; use at most {count}, or auto")
    return {"model.knn_examples": Chosen("all training examples", count)} if options.knn_examples == "auto" else {}


def neighbours(options: TransferOptions, num_classes: int) -> NearestNeighbours:
    """The head in which the nearest of the settled number of examples vote."""
    from kvision.layers.neighbours import NearestNeighbours

    count = int(options.knn_examples)
    largest = min(max(CANDIDATES), count) if options.knn_k == "auto" else options.knn_k
    return NearestNeighbours(count, num_classes, largest, METRIC, name=HEAD)


def freeze(net: keras.Model, options: TransferOptions) -> None:
    """Marks what shall not learn: the body, all where the head is fitted, or in fine-tuning the batch norms, which then keep their statistics."""
    import keras

    from kvision.layers.normalization import BatchNormalization

    norms = BatchNormalization, keras.layers.BatchNormalization  # Keras' own are within the layers of bodies that others wrote
    for layer in net._flatten_layers(include_self=False):
        kept = {"freeze": layer.name != HEAD, "fine_tune": isinstance(layer, norms), "none": False}
        if kept.get(options.transfer, True):
            layer.trainable = False


def groups(net: keras.Model, options: TransferOptions) -> tuple[GroupOptions, ...]:
    """The parameter groups of fine-tuning: up to twelve, of neighbouring layers, the first ones slowest; the logits are in none."""
    if options.transfer != "fine_tune":
        return ()
    layers = [layer.name for layer in net.layers if layer.trainable_variables and layer.name != HEAD]
    count = 1 if options.layer_decay == 1.0 else min(_MOST_GROUPS, len(layers))
    made = []
    for number in range(count):
        names = layers[number * len(layers) // count : (number + 1) * len(layers) // count]
        scale = options.body_lr_scale * options.layer_decay ** (count - 1 - number)
        match = f"(^|/)({'|'.join(map(re.escape, names))})/"
        made.append(GroupOptions(match=match, lr_scale=scale, frozen_until=options.thaw_at))
    return tuple(made)
