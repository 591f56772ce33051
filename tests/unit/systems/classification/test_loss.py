"""Factors of the classes by a rule: counted when a run begins, kept by the run, and refused where they don't fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.commands import trained
from kvision.core import resolved as resolved_recipe
from kvision.core.errors import RecipeError
from kvision.engine.session import open_session
from kvision.losses import classification as losses

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.engine.session import Session

RECIPE = """
system: classification/mlp
model: {hidden: []}
loss: {class_weights: balanced}
data: {source: npz, path: skewed.npz, size_px: 8, batch: 4}
"""
LABELS = {"one": np.repeat([0, 1, 2], [8, 4, 4]).astype(np.int32), "several": np.tile(np.uint8([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0]]), (4, 1))}
FACTORS = {"one": [2 / 3, 4 / 3, 4 / 3], "several": np.array([1 / 16, 1 / 8, 1 / 4]) * 48 / 7}
TEST = {"one": np.int32([2] * 16), "several": np.uint8([[0, 1, 0]] * 16)}


def recipe(folder: Path, kind: str, *overrides: str) -> Resolved:
    pictures = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
    splits = {"train": LABELS[kind], "val": LABELS[kind], "test": TEST[kind]}
    arrays = {f"x_{name}": pictures for name in splits} | {f"y_{name}": labels for name, labels in splits.items()}
    np.savez(folder / "skewed.npz", **arrays)
    (folder / "skewed.yaml").write_text(RECIPE)
    return catalog.load(folder / "skewed.yaml", overrides)


def opened(found: Resolved, **options: object) -> Session:
    return open_session(found, catalog.system("classification/mlp"), catalog.source("npz"), **({"devices": "cpu"} | options))


@pytest.mark.parametrize("kind", ["one", "several"])
def test_the_loss_has_the_factors_of_the_training_labels(kind: str, tmp_path: Path) -> None:
    made = opened(recipe(tmp_path, kind))
    weights = made.system.loss.class_weights
    assert weights == pytest.approx(FACTORS[kind], rel=1e-5)
    batch, logits = next(iter(made.pipeline.train(0))), tf.random.stateless_normal([4, 3], [1, 2])
    loss = losses.binary_cross_entropy if kind == "several" else losses.cross_entropy
    expected = loss(logits, batch["targets" if kind == "several" else "label"], class_weights=FACTORS[kind])
    np.testing.assert_allclose(made.system.losses(logits, batch), expected, rtol=1e-5)
    assert made.resolved.recipe.loss.class_weights == "balanced"
    origin = made.resolved.origins["loss.class_weights"]
    assert (origin.where, origin.value) == ("balanced, from the labels of 16 training examples", list(weights))


def test_a_run_keeps_its_factors_whatever_data_it_is_evaluated_on(tmp_path: Path) -> None:
    began = opened(recipe(tmp_path, "one"))
    kept = json.loads(json.dumps(resolved_recipe.to_json(began.resolved)))
    again = resolved_recipe.from_json(kept, catalog.sections)
    evaluated = open_session(again, catalog.system("classification/mlp"), trained.only("test")(catalog.source("npz")), devices="cpu", training=False)
    assert evaluated.pipeline._split("train").labels.tolist() == [2] * 16
    assert evaluated.system.loss.class_weights == began.system.loss.class_weights


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data.balance=true",), "loss.class_weights: balanced beside data.balance=true makes up for rare classes twice; take out one of the two"),
        (
            ("loss.effective_beta=0.9",),
            "loss.effective_beta: 0.9 has no effect on loss.class_weights=balanced; take it out, or use loss.class_weights=effective",
        ),
        (("loss.class_weights=even",), r"loss.class_weights: got 'even', expected one of balanced, effective or a list, each a number"),
    ],
)
def test_senseless_factors_are_refused(overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(tmp_path, "one", *overrides)
