from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kvision import catalog
from kvision.commands import recipe
from kvision.core import document, resolved
from kvision.core.errors import RunError

WHOLE = {"system": "segmentation/unet", "data": {"source": "scenes"}}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    made = recipe.build()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("path", catalog.recipes(), ids=lambda path: path.stem)
def test_every_shipped_recipe_validates(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(document.read(path).values)


@pytest.mark.parametrize(
    "values",
    [
        WHOLE,
        {"extends": "base.yaml"},
        {"extends": "base.yaml", "data": {"size_px": 64}, "expect": {"at_least": 0.5}},
        {**WHOLE, "optim": {"groups": [{"match": "bias"}], "clip_norm": None}},
        {**WHOLE, "smoke": {"train.steps": 3}},
        {**WHOLE, "expect": None},
    ],
)
def test_what_kvision_accepts_the_schema_accepts(values: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"system": "segmentation/unet"},
        {"system": "segmentation/unet", "data": {}},
        {**WHOLE, "system": "segmentation/unett"},
        {**WHOLE, "data": {"source": "scene"}},
        {**WHOLE, "model": {"dept": 3}},
        {**WHOLE, "model": {"depth": 0}},
        {**WHOLE, "data": {"source": "scenes", "augment": {"flip": 1}}},
        {"extends": "base.yaml", "system": "segmentation/unet", "model": {"depth": "four"}},
        {**WHOLE, "optim": {"groups": [{}]}},
        {**WHOLE, "smoke": {"steps": 3}},
        {**WHOLE, "trian": {}},
    ],
)
def test_what_kvision_refuses_the_schema_refuses(values: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    assert not validator.is_valid(values)


def test_the_resolved_values_of_a_recipe_validate(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(catalog.load("unet").values())


def test_the_schema_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.schema()
    printed = json.loads(capsys.readouterr().out)
    recipe.schema(str(tmp_path / "schema.json"))
    assert json.loads((tmp_path / "schema.json").read_text()) == printed == recipe.build()
    with pytest.raises(RunError, match="the schema could not be written"):
        recipe.schema(str(tmp_path / "nowhere" / "schema.json"))


def test_diff_prints_both_values_with_their_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("system: segmentation/unet\ndata: {source: scenes}\nmodel: {width: 8}\n")
    Path("b.yaml").write_text("extends: a.yaml\ntrain: {epochs: 3}\n")
    assert recipe.diff("a.yaml", "b.yaml") == 1
    assert capsys.readouterr().out == "- a.yaml\n+ b.yaml\ntrain.epochs\n  - 10  default\n  + 3   recipe b.yaml:2\n"
    assert recipe.diff("a.yaml", "b.yaml", json_lines=True) == 1
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["path"], row["second"]) == ("train.epochs", {"value": 3, "origin": "recipe b.yaml:2"})
    assert recipe.diff("a.yaml", "a.yaml") == 0
    assert "have the same" in capsys.readouterr().out


def test_diff_reads_runs_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = catalog.load("unet", ["train.epochs=3"])
    (tmp_path / "resolved.json").write_text(json.dumps(resolved.to_json(found)))
    assert recipe.diff("unet", str(tmp_path)) == 1
    assert "command line train.epochs=3" in capsys.readouterr().out
