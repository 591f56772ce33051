from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from kvision.core import resolved
from kvision.core.errors import RunError
from kvision.core.resolved import Origin, Resolved
from tests.unit.core.sections import MINIMAL, load, sections

if TYPE_CHECKING:
    from pathlib import Path

RICH = MINIMAL + (
    "model: {filters: [8, 16], dropout: 1e-3, span: [1, 2.5], title: '12', weights: {0: 1.5}}\n"
    "optim: {lr: 1e-9, groups: [{match: 'bias$', weight_decay: null}]}\nsmoke: {train.steps: 3}\nexpect: {metric: val/miou, at_least: 0.5}\n"
)


@pytest.mark.parametrize("text", [MINIMAL, RICH])
def test_a_dump_loads_to_an_equal_recipe(tmp_path: Path, text: str) -> None:
    found = load(tmp_path, text, "train.epochs=3")
    again = load(tmp_path, resolved.dump(found))
    assert again.recipe == found.recipe
    assert again.values() == found.values()


TITLES = [
    "𐀀",
    "yes",
    "null",
    "~",
    "1e3",
    "0x1f",
    "1_000",
    "2020-01-01",
    "12:30",
    "<<",
    "*a",
    "&a",
    "!a",
    "- a",
    "a: b",
    "a #b",
    "#",
    "'",
    '"',
    "{",
    "\\",
    " a ",
    "é",
    "",
]
NUMBERS = [1e-300, 5e-324, 1e-9, 0.1, 1 / 3, 1.0, 1e9, 123456789.0, -1e300, 1e16, -2.5e-7]


def test_any_text_and_any_number_survives_a_dump(tmp_path: Path) -> None:
    rng = random.Random(0)
    titles = TITLES + ["".join(rng.choice("ab01 :#-'\"{}[],&*!|>%@`?~.é𐀀") for _ in range(rng.randrange(12))) for _ in range(40)]
    for title, gamma in zip(titles, itertools.cycle(NUMBERS), strict=False):
        found = load(tmp_path, MINIMAL + f"model: {{title: {json.dumps(title)}}}\nloss: {{gamma: {gamma!r}}}\n")
        assert found.recipe.model.model_dump()["title"] == title
        assert load(tmp_path, resolved.dump(found)).recipe == found.recipe


def test_a_dump_names_every_value(tmp_path: Path) -> None:
    text = resolved.dump(load(tmp_path, MINIMAL))
    assert "dropout: 0.0" in text
    assert "clip_norm: null" in text
    assert "expect: null" in text


def test_every_leaf_has_a_value_and_an_origin(tmp_path: Path) -> None:
    found = load(tmp_path, RICH)
    leaves = found.leaves()
    assert leaves["model.filters"] == (8, 16)
    assert leaves["expect.metric"] == "val/miou"
    assert set(leaves) == set(found.origins)
    assert "model" not in leaves


def test_with_auto_sets_one_value_and_its_origin(tmp_path: Path) -> None:
    before = load(tmp_path, MINIMAL)
    after = before.with_auto("train.steps_per_call", 8)
    assert after.recipe.train.steps_per_call == 8
    assert after.origins["train.steps_per_call"] == Origin("auto")
    assert before.recipe.train.steps_per_call is None
    with pytest.raises(KeyError):
        before.with_auto("train.steps_per_cal", 8)
    with pytest.raises(ValidationError):
        before.with_auto("train.steps_per_call", 0)


def test_an_origin_reads_well() -> None:
    assert str(Origin("recipe", "unet.yaml:3")) == "recipe unet.yaml:3"
    assert str(Origin("default")) == "default"


def write(folder: Path, found: Resolved) -> Path:
    (folder / "resolved.json").write_text(json.dumps(resolved.to_json(found)))
    return folder


def test_a_run_folder_gives_back_what_was_resolved(tmp_path: Path) -> None:
    found = load(tmp_path, RICH, "train.epochs=3").with_auto("train.steps_per_call", 4)
    assert resolved.from_run(write(tmp_path, found), sections) == found


def test_a_folder_that_is_no_run_or_is_damaged_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run folder: resolved\.json is missing"):
        resolved.from_run(tmp_path, sections)
    found = resolved.to_json(load(tmp_path, MINIMAL))
    found["values"]["train"]["epochs"] = 0
    (tmp_path / "resolved.json").write_text(json.dumps(found))
    with pytest.raises(RunError, match=r"does not fit this version of kvision \(train\.epochs"):
        resolved.from_run(tmp_path, sections)
    for text in ("{", "[]", "{}"):
        (tmp_path / "resolved.json").write_text(text)
        with pytest.raises(RunError, match="is damaged"):
            resolved.from_run(tmp_path, sections)
