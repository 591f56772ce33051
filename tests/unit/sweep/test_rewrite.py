from __future__ import annotations

import pytest

from kvision import catalog
from kvision.sweep import rewrite

TEXT = """\
# U-Net.   kvision train my.yaml
system: segmentation/unet   # the architecture
model: {width: 32, depth: 4}  # small
data:
  source: image_masks
  # where the pictures are
  path: pictures
  classes: 2
  batch: 16
optim:
  lr: 1e-3   # tuned by hand
  name: "sgd"
"""


def test_values_change_and_comments_stay():
    text = rewrite.rewrite(TEXT, ["model.width=8", "optim.lr=0.00031", 'optim.name="adamw"', "train.seed=3", "data.augment.flip_x=0.5"])
    changes = {"width: 32, depth: 4}": "width: 8, depth: 4} ", "lr: 1e-3  ": "lr: 0.00031", '"sgd"': '"adamw"'}  # comments keep their column
    expected = TEXT.replace("  batch: 16\n", "  batch: 16\n  augment: {flip_x: 0.5}\n") + "train: {seed: 3}\n"
    for old, new in changes.items():
        expected = expected.replace(old, new)
    assert text == expected


@pytest.mark.parametrize("value", ["1e-05", "3.5e-10", "0.1", "null", "[8, 16]", '"off"', '"1e-3"', "true"])
def test_every_value_reads_back_as_it_was(value, tmp_path):
    from kvision.core import document, overrides

    file = tmp_path / "a.yaml"
    file.write_text(rewrite.rewrite(TEXT, [f"model.width={value}"]))
    assert document.read(file).values["model"]["width"] == overrides.parse(f"x={value}").value


def test_a_section_is_merged_as_an_override_is():
    text = rewrite.rewrite(TEXT, ["model={width: 8, filters: [8, 16]}", "loss={name: dice}"])
    assert "model: {width: 8, depth: 4, filters: [8, 16]} # small" in text
    assert "loss: {name: dice}" in text


def test_paths_are_right_from_another_folder(tmp_path):
    (tmp_path / "recipes" / "pictures").mkdir(parents=True)
    base, mine = tmp_path / "recipes" / "base.yaml", tmp_path / "recipes" / "mine.yaml"
    base.write_text(TEXT)
    mine.write_text("extends: base.yaml  # the rest\n")
    (tmp_path / "runs" / "s").mkdir(parents=True)
    resolved = catalog.load(mine)
    moved = rewrite.paths_from(resolved, tmp_path / "runs" / "s")
    assert moved == ['data.path="../../recipes/pictures"']
    text = rewrite.rewrite(mine.read_text(), moved, moved=(mine.parent, tmp_path / "runs" / "s"), headline="the best")
    assert text == "# the best\nextends: ../../recipes/base.yaml # the rest\ndata: {path: ../../recipes/pictures}\n"
    there = tmp_path / "runs" / "s" / "best.yaml"
    there.write_text(text)
    found = catalog.load(there)
    assert (found.base / found.recipe.data.path).resolve() == tmp_path / "recipes" / "pictures"


def test_only_paths_that_start_from_the_recipe_are_moved(tmp_path):
    for name in ("images", "pictures", "imagenet", "weights"):
        (tmp_path / name).mkdir()
    file = tmp_path / "a.yaml"
    file.write_text(TEXT)  # data.images is `images`, in `pictures`
    assert rewrite.paths_from(catalog.load(file), tmp_path / "s") == ['data.path="../pictures"']
    file.write_text("system: classification/resnet\ndata: {source: image_folder}\nmodel: {weights: imagenet}\n")
    assert rewrite.paths_from(catalog.load(file), tmp_path / "s") == ['data.path=".."']
    assert rewrite.paths_from(catalog.load(file), tmp_path) == []
    assert rewrite.paths_from(catalog.load(file, ["model.weights=weights"]), tmp_path / "s") == ['model.weights="../weights"', 'data.path=".."']


def test_paths_that_begin_elsewhere_stay(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(TEXT.replace("path: pictures", f"path: {tmp_path}/pictures"))
    assert rewrite.paths_from(catalog.load(file), tmp_path / "b") == []
    file.write_text(TEXT.replace("path: pictures", "path: ~/pictures"))
    assert rewrite.paths_from(catalog.load(file), tmp_path / "b") == []
