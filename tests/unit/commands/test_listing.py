from __future__ import annotations

import json
from pathlib import Path

import pytest

from kvision import catalog
from kvision.commands import listing
from kvision.core import paths, resolved
from kvision.core.errors import RecipeError, UsageError
from kvision.core.schema import Chosen

RECIPE = "# A test.   kvision train x.yaml\nsystem: segmentation/unet\nmodel: {width: 8}\ndata: {source: scenes}\nsmoke: {train.steps: 3}\n"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text(RECIPE)
    return "x.yaml"


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Columns by the first word of a line."""
    return {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.strip()}


def test_list_names_systems_sources_and_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_list()
    text = capsys.readouterr().out
    assert text.index("Systems") < text.index("segmentation/unet") < text.index("Sources") < text.index("scenes") < text.index("Recipes")
    assert "arXiv 1505.04597" in " ".join(text.split())  # lines are folded to the terminal's width


def test_list_filters_by_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_list("SEGMENTATION")
    text = capsys.readouterr().out
    assert "segmentation/unet" in text
    assert "Sources" not in text
    with pytest.raises(UsageError, match='did you mean "segmentation"'):
        listing.run_list("segmentatoin")


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_list(json_lines=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    unet = next(row for row in rows if row["name"] == "segmentation/unet")
    assert (unet["kind"], unet["recipe"]) == ("system", "unet")
    assert {row["kind"] for row in rows} == {"system", "source", "recipe"}


def test_list_and_show_tell_what_a_system_costs_where_its_recipe_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stated, silent = tmp_path / "unet.yaml", tmp_path / "lenet.yaml"
    stated.write_text(RECIPE + "cost: {parameters: 1234567, mflops: 40.8}\n")
    silent.write_text("# Silent.\nsystem: classification/lenet\n")
    monkeypatch.setattr(paths, "shipped", lambda: {"unet": stated, "lenet": silent})
    listing.run_list("net")
    text = " ".join(capsys.readouterr().out.split())  # lines are folded to the terminal's width
    assert "recipe: unet; 1,234,567 parameters, 40.8 MFLOPs" in text
    assert "FLOPs are multiply-adds for one example" in text
    listing.run_list("net", json_lines=True)
    rows = {(row["kind"], row["name"]): row["cost"] for row in map(json.loads, capsys.readouterr().out.splitlines())}
    expected = {"parameters": 1_234_567, "mflops": 40.8}
    assert (rows["system", "segmentation/unet"], rows["recipe", "unet"]) == (expected, expected)
    assert (rows["system", "classification/lenet"], rows["recipe", "lenet"]) == (None, None)
    listing.run_show("segmentation/unet")
    assert "\nCost:   1,234,567 parameters, 40.8 MFLOPs (multiply-adds for one example), by the recipe\n" in capsys.readouterr().out
    listing.run_show("segmentation/unet", json_lines=True)
    assert json.loads(capsys.readouterr().out)["cost"] == expected
    listing.run_show(str(stated))
    assert lines(capsys)["cost.mflops"][0] == "40.8"


def test_show_prints_type_default_and_description_of_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_show("segmentation/unet")
    text = capsys.readouterr().out
    assert "  depth: a whole number from 1 to 10; default 3\n" in text
    assert "Number of down-samplings by two." in text
    assert "\nloss:\n" in text


@pytest.mark.parametrize(("subject", "option"), [("scenes", "train_size"), ("optim", "warmup_steps"), ("train", "epochs"), ("expect", "metric")])
def test_show_knows_sources_and_common_sections(subject: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_show(subject)
    assert f"\n  {option}: " in capsys.readouterr().out


def test_show_as_json_holds_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_show("segmentation/unet", json_lines=True)
    options = {row["path"]: row for row in json.loads(capsys.readouterr().out)["options"]}
    assert options["model.width"]["default"] == 32
    assert not options["model.width"]["required"]
    assert set(options) >= {f"model.{name}" for name in catalog.system("segmentation/unet").Options.model_fields}


def test_show_of_a_recipe_prints_what_it_sets(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_show(recipe)
    found = lines(capsys)
    assert found["model.width"] == ["8", "recipe", "x.yaml:3"]
    assert "model.depth" not in found
    assert "model.filters" not in found
    assert found["A"] == ["test.", "kvision", "train", "x.yaml"]


def test_resolved_prints_every_value_with_its_origin(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    listing.run_show(recipe, ["train.epochs=3"], resolved=True, smoke=True)
    found = lines(capsys)
    assert found["model.width"] == ["8", "recipe", "x.yaml:3"]
    assert found["model.depth"] == ["3", "default"]
    assert found["train.steps"] == ["3", "smoke", "x.yaml:5"]
    assert found["train.epochs"] == ["3", "command", "line", "train.epochs=3"]
    assert " ".join(found["model.filters"]) == "[8, 16, 32, 64] auto: width=8, doubled depth=3 times"
    assert " ".join(found["train.steps_per_call"]) == "null auto: chosen while training, from the time of a step"
    assert set(found) >= set(catalog.load(recipe).origins)


def test_resolved_never_shortens_a_value(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    listing.run_show(recipe, [f"optim.groups=[{{match: {long}}}]"], resolved=True)
    assert long in capsys.readouterr().out


def test_show_of_a_run_prints_its_origins(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = catalog.load(recipe).settled({"train.steps": Chosen("10 epochs of 125 steps", 1250)})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "resolved.json").write_text(json.dumps(resolved.to_json(found)))
    listing.run_show("run", resolved=True)
    assert " ".join(lines(capsys)["train.steps"]) == "1250 auto: 10 epochs of 125 steps"
    listing.run_show("run")
    assert "`kvision show run --resolved` prints every value" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is a run, its values are past"):
        listing.run_show("run", ["train.epochs=3"])


def test_what_can_not_be_shown_says_why(recipe: str) -> None:
    with pytest.raises(UsageError, match=r"kvision show unet --resolved"):
        listing.run_show("segmentation/unet", resolved=True)
    with pytest.raises(UsageError, match='did you mean "unet"'):
        listing.run_show("unett")
    with pytest.raises(RecipeError, match=r"model\.widht: unknown key"):
        listing.run_show(recipe, ["model.widht=3"])
