"""Layers of a recipe: what lies on top counts, and each value remembers where it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core import recipe_layers
from kvision.core.schema import Recipe

if TYPE_CHECKING:
    from pathlib import Path


def test_a_later_value_replaces_what_stands_at_above_or_below_its_path() -> None:
    layer = recipe_layers.Layer("recipe", {"optim": {"lr": 0.1, "clip_norm": 1.0}, "train": {"epochs": 3}}).flatten(Recipe)
    typed, problems = recipe_layers.command_line_layer(["optim.lr=0.5", "expect=null"])
    assert problems == []
    assigned = recipe_layers.stack([layer, typed.flatten(Recipe)])
    assert recipe_layers.nest(assigned) == {
        "train": {"epochs": 3}, "optim": {"lr": 0.5, "clip_norm": 1.0}, "expect": None, "model": {}, "loss": {}, "data": {},
    }  # fmt: skip
    assert assigned["optim", "lr"].origin() == "optim.lr=0.5"


def test_the_names_that_the_type_depends_on_are_found_before_it_is_known() -> None:
    typed, _ = recipe_layers.command_line_layer(["data.source=image_masks"])
    layers = [recipe_layers.Layer("recipe", {"system": "a/b", "data": {"source": "scenes"}}), typed]
    assert recipe_layers.early(layers, ("system",)) == "a/b"
    assert recipe_layers.early(layers, ("data", "source")) == "image_masks"
    assert recipe_layers.early([recipe_layers.Layer("smoke", {"data.source": "scenes"})], ("data", "source")) == "scenes"
    assert recipe_layers.early(layers, ("model", "width")) is None


def test_overrides_that_can_not_be_are_refused_each_with_its_reason() -> None:
    typed, problems = recipe_layers.command_line_layer(["extends=x", "smoke.a=1", "train.epochs=1", "train.epochs=2", "nonsense"])
    assert [override.text for override in typed.typed] == ["train.epochs=1"]
    reasons = ["can't be given on the command line", "the smoke section is the recipe's", "given twice, first as `train.epochs=1`", "got no `=`"]
    assert all(reason in problem.message for reason, problem in zip(reasons, problems, strict=True))


def test_a_base_lies_below_its_expectation_gives_way_and_its_cost_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("train: {epochs: 1}\nexpect: {metric: val/miou}\ncost: {parameters: 3, mflops: 1}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nexpect: {metric: val/loss}\n")
    layers, problems = recipe_layers.document_layers(tmp_path / "mine.yaml")
    assert problems == []
    assert [(layer.kind, layer.raw) for layer in layers] == [("base", {"train": {"epochs": 1}}), ("recipe", {"expect": {"metric": "val/loss"}})]
