"""The loss that a classifier's recipe describes: its options, what of them does not fit, and its value for each example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core import checks
from kvision.core.errors import DataError
from kvision.core.schema import Chosen, NonNegative, Positive, Recipe, Section
from kvision.losses.class_weights import RULES, Rule

if TYPE_CHECKING:
    import tensorflow as tf

    from kvision.data.source import Source

_USED_BY = {
    "label_smoothing": ("auto", "ce", "bce"),
    "gamma": ("focal",),
    "margin": ("hinge", "squared_hinge"),
    "beta": ("bootstrap_soft", "bootstrap_hard"),
}


class ClassificationLoss(Section):
    """The loss of a classifier, computed for each picture in float32; `l1` and `l2` are added to it."""

    name: Literal["auto", "ce", "bce", "hinge", "squared_hinge", "focal", "bootstrap_soft", "bootstrap_hard"] = Field(
        "auto",
        description="`ce`: cross-entropy; `bce`: of each class's own yes or no, for pictures with several; `hinge`, `squared_hinge`: multiclass SVM; "
        "`focal` (Lin 2017); `bootstrap_soft`, `bootstrap_hard` (Reed 2014): for labels that are partly wrong; `auto`: ce or bce, by the data.",
    )
    class_weights: Rule | tuple[NonNegative, ...] | None = Field(
        None,
        description="One factor a class on its pictures' loss; `balanced`: by the inverse of how often it occurs in training; `effective`: by the "
        "inverse effective number of its pictures (Cui 2019); none: all 1.",
    )
    effective_beta: float = Field(0.999, ge=0.0, lt=1.0, description="`effective`: 0 weights all classes alike, near 1 it is `balanced`.")
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0, description="`ce`, `bce`: share of the target spread evenly over the answers.")
    gamma: NonNegative = Field(2.0, description="`focal`: focusing exponent.")
    margin: Positive = Field(1.0, description="`hinge`, `squared_hinge`: by how much the true class must lead.")
    beta: float = Field(0.9, ge=0.0, le=1.0, description="`bootstrap_*`: share of the given label against the network's own opinion.")
    l1: NonNegative = Field(0.0, description="Factor of the sum of the kernels' absolute values; with `l2`: elastic net.")
    l2: NonNegative = Field(0.0, description="Factor of half the sum of the kernels' squares.")

    def chosen(self) -> dict[str, Chosen]:
        """`class_weights`: by the labels, where a rule is given."""
        return {"class_weights": Chosen(f"{self.class_weights}, counted from the training labels")} if self.class_weights in RULES else {}


def faults(recipe: Recipe) -> list[tuple[str, str]]:
    """Loss settings that the chosen loss does not look at, or that don't go together, as `System.check` tells them."""
    loss: ClassificationLoss = recipe.loss  # type: ignore[assignment]
    found = checks.without_effect("loss", loss, "loss.name", _USED_BY)
    found += checks.without_effect("loss", loss, "loss.class_weights", {"effective_beta": ("effective",)})
    if loss.class_weights in RULES and recipe.data.balance:
        message = f"{loss.class_weights} beside data.balance=true makes up for rare classes twice; take out one of the two"
        found.append(("loss.class_weights", message))
    return found


def settle(loss: ClassificationLoss, source: Source) -> dict[str, Chosen]:
    """The classes' factors, where they go by a rule, as `System.settle` tells them; raises `DataError` where the data does not tell its labels."""
    rule = loss.class_weights
    if not isinstance(rule, str):
        return {}
    from kvision.data.labelled_source import counts
    from kvision.losses import class_weights

    labels = getattr(source.split("train"), "labels", None)
    if labels is None:
        raise DataError(f"loss.class_weights: {source.options.source} does not tell its labels, to be counted; give one factor a class")
    found = class_weights.of(rule, counts(labels, source.info.num_classes), beta=loss.effective_beta, several=labels.ndim == 2)
    why = f"{rule}, from the labels of {len(labels)} training examples"
    return {"loss.class_weights": Chosen(why, [float(f"{factor:.6g}") for factor in found])}


def of_examples(loss: ClassificationLoss, logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The loss of each example `[B]`.

    Args:
        loss: The options; a rule of the classes' factors is settled already.
        logits: `[B, K]`.
        target: Class numbers `[B]`, or 0 and 1 `[B, K]` where a picture may have several classes.

    Returns:
        `[B]`, without `l1` and `l2`.

    Raises:
        TypeError: If the classes' factors are a rule still.
    """
    from kvision.losses import classification as losses

    weights = loss.class_weights
    if isinstance(weights, str):
        raise TypeError(f"class_weights is {weights} still; the system must be made with what settle gives")
    if target.shape.rank == 2:
        return losses.binary_cross_entropy(logits, target, label_smoothing=loss.label_smoothing, class_weights=weights)
    if loss.name in ("hinge", "squared_hinge"):
        return losses.hinge(logits, target, margin=loss.margin, squared=loss.name == "squared_hinge", class_weights=weights)
    if loss.name == "focal":
        return losses.focal(logits, target, gamma=loss.gamma, class_weights=weights)
    if loss.name in ("bootstrap_soft", "bootstrap_hard"):
        return losses.bootstrapped(logits, target, beta=loss.beta, hard=loss.name == "bootstrap_hard", class_weights=weights)
    return losses.cross_entropy(logits, target, label_smoothing=loss.label_smoothing, class_weights=weights)
