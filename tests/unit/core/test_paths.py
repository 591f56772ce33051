from __future__ import annotations

import re
from pathlib import Path

import pytest

from kvision.core import paths
from kvision.core.errors import RecipeError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shipped = tmp_path / "shipped"
    (shipped / "detection").mkdir(parents=True)
    for name in ("unet", "resnet", "detection/ssd"):
        (shipped / f"{name}.yaml").write_text("system: x\n")
    monkeypatch.setattr(paths, "shipped_folders", lambda: [shipped])
    return tmp_path


def test_a_file_comes_before_a_shipped_recipe(here: Path) -> None:
    assert paths.find_recipe("unet") == here / "shipped" / "unet.yaml"
    (here / "unet.yaml").write_text("")
    assert paths.find_recipe("unet") == Path("unet.yaml")
    assert paths.find_recipe("unet.yaml") == Path("unet.yaml")


def test_the_path_of_the_checkout_works_where_there_is_none(here: Path) -> None:
    assert paths.find_recipe("recipes/unet.yaml") == here / "shipped" / "unet.yaml"
    assert paths.find_recipe("detection/ssd") == here / "shipped" / "detection" / "ssd.yaml"


def test_an_unknown_recipe_is_answered_with_a_near_one(here: Path) -> None:
    with pytest.raises(RecipeError, match=r'recipes/unett\.yaml: no such file.*did you mean "unet"\?'):
        paths.find_recipe("recipes/unett.yaml")
    (here / "mine.yaml").write_text("")
    with pytest.raises(RecipeError, match=r'did you mean "mine\.yaml"'):
        paths.find_recipe("mien.yaml")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ssd", "detection/ssd"),
        ("ssd.yaml", "detection/ssd"),
        ("recipes/detction/ssd.yaml", "detection/ssd"),
        ("recipes/resnett", "resnet"),
        ("my_net", "recipes/segmentation/my_net.yaml"),
        ("recipes/segmentation/mynet.yaml", "recipes/segmentation/my_net.yaml"),
    ],
)
def test_a_bare_name_is_answered_with_what_to_type(here: Path, typed: str, meant: str) -> None:
    (here / "recipes" / "segmentation").mkdir(parents=True)
    (here / "recipes" / "segmentation" / "my_net.yaml").write_text("system: x\n")
    with pytest.raises(RecipeError, match=f'did you mean "{re.escape(meant)}"'):
        paths.find_recipe(typed)
    assert paths.find_recipe(meant).is_file()


@pytest.mark.parametrize("name", ["", "a" * 300, "a\0b"])
def test_impossible_names_are_refused(here: Path, name: str) -> None:
    with pytest.raises(RecipeError):
        paths.find_recipe(name)


def test_paths_below_the_current_folder_are_shown_relative(here: Path) -> None:
    assert paths.display(here / "a" / "b.yaml") == "a/b.yaml"
    assert paths.display(Path("/elsewhere/b.yaml")) == "/elsewhere/b.yaml"


def test_this_checkout_ships_its_recipes() -> None:
    assert "unet" in paths.shipped()
    assert paths.checkout() == Path(__file__).resolve().parents[3]


def test_a_path_starts_from_the_recipe_s_folder_or_else_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, here = tmp_path / "recipes", tmp_path / "here"
    for folder in (base / "both", base / "there", here / "both", here / "run"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    assert [paths.located(name, base) for name in ("both", "there", "run", "none")] == [
        base / "both",
        base / "there",
        here / "run",
        base / "none",
    ]


def test_an_unused_name_gets_the_first_free_number(tmp_path: Path) -> None:
    assert paths.unused(tmp_path / "unet") == tmp_path / "unet"
    for name in ("unet", "unet-2"):
        (tmp_path / name).mkdir()
    assert paths.unused(tmp_path / "unet") == tmp_path / "unet-3"


def test_what_can_be_made_anew_lies_in_the_user_s_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache_folder("features") == tmp_path / "kvision" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.cache_folder("records") == tmp_path / ".cache" / "kvision" / "records"
