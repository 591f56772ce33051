from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kvision import catalog
from kvision.commands import new
from kvision.core import paths
from kvision.core.errors import DataError, RecipeError, UsageError
from tests.unit.data import captioned_pictures, class_folders

if TYPE_CHECKING:
    from kvision.engine.system import System


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def checkout(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing is yet."""
    root = here / "checkout"
    root.mkdir()
    monkeypatch.setattr(paths, "checkout", lambda: root)
    return root


def load_class(file: Path, name: str) -> type[System]:
    spec = importlib.util.spec_from_file_location("made", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: type[System] = getattr(module, name)
    return made


def test_a_new_system_is_three_files_and_a_class_that_is_complete(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new.run("segmentation/my_net")
    system = load_class(checkout / "kvision/systems/segmentation/my_net.py", "MyNet")
    assert not system.__abstractmethods__
    assert system.Options().model_dump() == {"width": 32}
    assert json.loads((checkout / "tests/conformance/golden/segmentation/my_net.json").read_text())["parameters"] is None
    assert (checkout / "recipes/segmentation/my_net.yaml").read_text().startswith("# MyNet")
    assert "kvision train recipes/segmentation/my_net.yaml --smoke" in capsys.readouterr().out


def test_the_new_recipe_resolves_once_the_system_is_found(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new.run("segmentation/my_net")
    system = load_class(checkout / "kvision/systems/segmentation/my_net.py", "MyNet")
    monkeypatch.setattr(catalog, "systems", lambda: ["segmentation/my_net"])
    monkeypatch.setattr(catalog, "system", lambda name: system)
    found = catalog.load(checkout / "recipes/segmentation/my_net.yaml", smoke=True)
    assert found.recipe.model.model_dump() == {"width": 8}


def test_a_family_without_a_base_gets_every_method_of_system(checkout: Path) -> None:
    new.run("pose/hourglass_net")
    system = load_class(checkout / "kvision/systems/pose/hourglass_net.py", "HourglassNet")
    assert not system.__abstractmethods__
    assert ast.get_docstring(ast.parse((checkout / "kvision/systems/pose/__init__.py").read_text()))


def test_nothing_is_overwritten_and_nothing_is_half_written(checkout: Path) -> None:
    recipe = checkout / "recipes/segmentation/my_net.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("mine")
    with pytest.raises(UsageError, match=r"my_net\.yaml exists already, and nothing is overwritten"):
        new.run("segmentation/my_net")
    assert recipe.read_text() == "mine"
    assert not (checkout / "kvision").exists()


def test_outside_a_checkout_it_says_where_the_files_belong(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(paths, "checkout", lambda: None)
    new.run("segmentation/my_net")
    assert sorted(file.name for file in here.iterdir()) == ["my_net.json", "my_net.py", "my_net.yaml"]
    assert "put my_net.py into\nkvision/systems/segmentation/" in capsys.readouterr().out


def test_a_new_recipe_is_a_copy_that_works(here: Path) -> None:
    new.run("mine/my_unet.yaml", base="unet")
    assert catalog.load("mine/my_unet.yaml").recipe == catalog.load("unet").recipe
    assert "kvision train mine/my_unet.yaml" in Path("mine/my_unet.yaml").read_text()
    with pytest.raises(UsageError, match="exists already"):
        new.run("mine/my_unet.yaml")


def test_a_copied_recipe_still_finds_its_base(here: Path) -> None:
    (here / "base.yaml").write_text("system: segmentation/unet\ndata: {source: scenes}\ntrain: {epochs: 7}\n")
    (here / "variant.yaml").write_text("extends: base.yaml\nmodel: {width: 8}\n")
    new.run("deep/er/copy.yaml", base="variant.yaml")
    assert "extends: ../../base.yaml" in (here / "deep/er/copy.yaml").read_text()
    assert catalog.load("deep/er/copy.yaml").recipe.train.epochs == 7


@pytest.mark.parametrize(
    ("name", "hint"), [("MyNet", "kvision new segmentation/my_net"), ("segmentation/My-Net", "segmentation/my_net"), ("a/b/c", "")]
)
def test_a_name_that_does_not_fit_is_answered_with_one_that_does(here: Path, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="neither a system's id") as caught:
        new.run(name)
    assert hint in str(caught.value)


def test_a_recipe_from_nothing_is_refused(here: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        new.run("mine.yaml", base="unett")


def test_a_recipe_for_a_folder_of_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders.write(here / "pictures/pets", 3)
    new.run("pictures/pets")
    found = catalog.load("pets.yaml").recipe
    assert (found.system, found.data.source, found.data.size_px, found.data.batch) == ("classification/resnet", "image_folder", 128, 128)
    assert (found.data.path, found.optim.name, found.expect) == ("pictures/pets", "sgd", None)
    text = (here / "pets.yaml").read_text()
    assert text.startswith("# classification/resnet on pictures/pets.   kvision train pets.yaml\nsystem: ")
    assert "Fashion" not in text
    assert "kvision data check pets.yaml" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"pets.yaml exists already"):
        new.run("pictures/pets")


@pytest.mark.parametrize("layout", ["beside", "tokens"])
def test_a_recipe_for_a_folder_of_captions(here: Path, layout: str) -> None:
    getattr(captioned_pictures, layout)(here / "holiday", range(3))
    new.run("holiday")
    found = catalog.load("holiday.yaml").recipe
    assert (found.system, found.data.source, found.data.path) == ("captioning/show_attend_tell", "caption_folder", "holiday")


def test_a_recipe_for_masks_and_a_folder_of_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("images", "masks"):
        (here / "cells" / name).mkdir(parents=True)
    new.run("cells")
    assert catalog.load("cells.yaml").recipe.data.source == "image_masks"
    assert "how many classes the masks have" in capsys.readouterr().out
    (here / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"empty: holds neither images/ and masks/, nor captions .*, nor a folder of pictures for each of several classes"
    ):
        new.run("empty")
