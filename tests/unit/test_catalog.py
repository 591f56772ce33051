from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = '''"""{title}: a network that is not there. And more.

Paper: Somebody 2020,
arXiv 1234.
Deviations: none.
"""

from kvision.core.schema import Section
from kvision.engine.system import System


class Base(System):
    """Imported elsewhere as well."""


class _Inner(System):
    """Private."""


class {name}({base}):
    """The system."""

    Options = Section
    Loss = Section
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `madeup.systems` of two families beside the real catalogue."""
    root = tmp_path / "madeup" / "systems"
    for family in ("segmentation", "detection"):
        (root / family).mkdir(parents=True)
        (root / family / "__init__.py").write_text("")
    (root / "segmentation" / "_part.py").write_text("")
    text = SYSTEM.replace("class Base", "class _Base").replace("{base}", "_Base")
    (root / "segmentation" / "net_one.py").write_text(text.format(title="Net One", name="NetOne"))
    (root / "detection" / "boxy.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(catalog, "SYSTEMS", "madeup.systems")
    catalog._sections.cache_clear()
    yield root
    catalog._sections.cache_clear()
    for name in [name for name in sys.modules if name.startswith("madeup")]:
        del sys.modules[name]


def test_the_path_is_the_registry_and_names_are_found_without_imports(package: Path) -> None:
    assert catalog.systems() == ["detection/boxy", "segmentation/net_one"]
    (package / "detection" / "later.py").write_text("")
    assert "detection/later" in catalog.systems()


def test_the_class_is_the_only_public_subclass_that_the_file_defines(package: Path) -> None:
    assert catalog.system("segmentation/net_one").__name__ == "NetOne"


def test_a_file_with_two_systems_or_none_is_refused(package: Path) -> None:
    (package / "detection" / "two.py").write_text(SYSTEM.format(title="Two", name="Two", base="Base"))
    (package / "detection" / "none.py").write_text("")
    with pytest.raises(UsageError, match="defines Base, Two, expected exactly one public subclass of System"):
        catalog.system("detection/two")
    with pytest.raises(UsageError, match="defines none, expected exactly one"):
        catalog.system("detection/none")


def test_the_docstring_gives_title_and_paper(package: Path) -> None:
    entry = catalog.describe_system("segmentation/net_one")
    assert (entry.title, entry.paper) == ("Net One: a network that is not there.", "Somebody 2020, arXiv 1234.")


def test_paper_none_is_no_paper(package: Path) -> None:
    (package / "detection" / "boxy.py").write_text('"""Boxy.\n\nPaper: none.\n"""\n')
    assert catalog.describe_system("detection/boxy").paper == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("segmentation/net_on", 'did you mean "segmentation/net_one"'),
        ("detection/net_one", 'did you mean "segmentation/net_one"'),
        ("net_one", 'did you mean "segmentation/net_one"'),
        ("zzz", "expected one of detection/boxy, segmentation/net_one"),
    ],
)
def test_an_unknown_system_is_answered_with_a_near_one(package: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match="got ") as caught:
        catalog.system(name)
    assert words in str(caught.value)


def test_names_that_are_no_text_are_faults_too() -> None:
    assert "got 3, expected" in catalog.system_fault(3)
    assert "got ['scenes'], expected" in catalog.source_fault(["scenes"])
    assert 'did you mean "scenes"' in catalog.source_fault("scene")


def test_the_real_catalogue_holds_what_the_readme_names() -> None:
    assert "segmentation/unet" in catalog.systems()
    assert {"scenes", "image_masks"} <= set(catalog.sources())
    assert catalog.system("segmentation/unet").__name__ == "UNet"
    assert catalog.source("scenes").__name__ == "Scenes"
    assert catalog.recipe_of("segmentation/unet") == "unet"
    assert catalog.recipe_of("classification/mlp") == "classification/mlp"  # hog_svm.yaml uses it too, and comes first
    assert catalog.recipe_of("segmentation/zzz") is None


def test_sections_are_made_once() -> None:
    assert catalog.sections("segmentation/unet", "scenes") is catalog.sections("segmentation/unet", "scenes")


@pytest.mark.parametrize("recipe", catalog.recipes(), ids=lambda path: path.stem)
@pytest.mark.parametrize("smoke", [False, True])
def test_every_shipped_recipe_resolves_and_survives_a_dump(recipe: Path, smoke: bool, tmp_path: Path) -> None:
    from kvision.core import resolved

    found = catalog.load(recipe, smoke=smoke)
    (tmp_path / "recipe.yaml").write_text(resolved.dump(found))
    assert catalog.load(tmp_path / "recipe.yaml").recipe == found.recipe


def test_the_recipe_of_a_run_folder_keeps_the_base_of_its_paths(tmp_path: Path) -> None:
    from kvision.core import resolved

    (tmp_path / "recipe.yaml").write_text("system: segmentation/unet\ndata: {source: scenes}\n")
    assert catalog.load(tmp_path / "recipe.yaml").base == tmp_path
    (tmp_path / "resolved.json").write_text(json.dumps(resolved.to_json(catalog.load("unet"))))
    assert catalog.load(tmp_path / "recipe.yaml").base == catalog.load("unet").base
    (tmp_path / "resolved.json").write_text("{")
    assert catalog.load(tmp_path / "recipe.yaml").base == tmp_path


def test_faults_of_a_real_recipe_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("system: segmentation/unet\nmodel: {dept: 3}\nloss: {gamma: 1.0}\ndata: {source: scenes, size_px: 100, batch: 0}\n")
    with pytest.raises(RecipeError) as caught:
        catalog.load(path)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert set(found) == {"model.dept", "loss.gamma", "data.batch", "model.depth"}
    assert 'did you mean "depth"' in found["model.dept"]
    assert "size_px=100" in found["model.depth"]
