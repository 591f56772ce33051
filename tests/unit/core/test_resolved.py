from __future__ import annotations

import itertools
import json
import random
import re
from typing import TYPE_CHECKING

import pytest

from kvision.core import resolved
from kvision.core.errors import RunError
from kvision.core.resolved import Origin, Resolved
from kvision.core.schema import Chosen
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


def test_what_a_section_chooses_is_used_and_stays_out_of_the_recipe(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL + "model: {width: 8}\n")
    assert found.origins["model.filters"] == Origin("auto", "width=8", [8, 16])
    assert found.used()["model.filters"] == [8, 16]
    assert found.leaves()["model.filters"] is None
    assert found.recipe.model.model_dump()["filters"] is None
    assert "filters: null" in resolved.dump(found)  # so that the run's recipe does not turn a choice into a wish
    assert load(tmp_path, resolved.dump(found), "model.width=4").used()["model.filters"] == [4, 8]
    given = load(tmp_path, MINIMAL + "model: {filters: [3, 5]}\n")
    assert given.origins["model.filters"] == Origin("recipe", given.origins["model.filters"].where)
    assert given.used()["model.filters"] == (3, 5)


def test_the_choices_of_the_common_sections(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL)
    assert found.origins["optim.weight_decay"] == Origin("auto", "Keras' default of adamw", 0.004)
    assert found.origins["optim.momentum"] == Origin("default")  # adamw has none
    assert found.origins["optim.clip_norm"] == Origin("default")  # null is `off`, not a choice
    assert load(tmp_path, MINIMAL, "optim.name=sgd").origins["optim.momentum"] == Origin("auto", "the default of sgd", 0.9)
    assert load(tmp_path, MINIMAL, "data.fit=crop").origins["data.cache"] == Origin("auto", "fit: crop keeps each picture's own size", "none")
    for path in ("data.cache", "train.steps", "train.steps_per_call", "train.checkpoint_every_steps"):
        assert str(found.origins[path]).startswith("auto: ")
        assert re.search("when training starts|while training", found.origins[path].where)
        assert found.used()[path] == found.leaves()[path]
    assert {origin.kind for origin in load(tmp_path, MINIMAL, "train.steps=7", "data.cache=ram").origins.values()} == {
        "recipe", "command line", "default", "auto"
    }  # fmt: skip


def test_every_value_chosen_would_be_accepted_from_a_person(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL, "optim.name=sgd", "data.fit=crop")
    chosen = [f"{path}={json.dumps(origin.value)}" for path, origin in found.origins.items() if origin.value is not None]
    assert len(chosen) == 4
    again = load(tmp_path, MINIMAL, "optim.name=sgd", "data.fit=crop", *chosen)
    assert {path: json.dumps(value) for path, value in again.used().items()} == {path: json.dumps(value) for path, value in found.used().items()}


def test_a_null_that_somebody_wrote_asks_for_the_choice(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL + "optim: {weight_decay: null}\n", "data.cache=auto")
    assert str(found.origins["optim.weight_decay"]).endswith("recipe.yaml:3)")
    assert found.origins["data.cache"].asked == "command line data.cache=auto"
    assert found.origins["data.cache"].written
    assert not load(tmp_path, MINIMAL).origins["data.cache"].written
    assert found.settled({"data.cache": Chosen("there is room", "ram")}).origins["data.cache"].asked == "command line data.cache=auto"


def test_facts_settle_what_waits_for_them_and_nothing_else(tmp_path: Path) -> None:
    facts = {"train.steps": Chosen("2 epochs of 7 steps", 14), "model.filters": Chosen("wrong", [1]), "optim.lr": Chosen("wrong", 1.0)}
    before = load(tmp_path, MINIMAL)
    after = before.settled(facts)
    assert after.origins["train.steps"] == Origin("auto", "2 epochs of 7 steps", 14)
    assert after.used() == before.used() | {"train.steps": 14}
    assert after.values() == before.values()
    assert after.settled({"train.steps": Chosen("late", 3)}) == after
    given = load(tmp_path, MINIMAL, "train.steps=5")
    assert given.settled(facts) == given
    with pytest.raises(KeyError):
        before.settled({"train.stepz": Chosen("", 1)})


def test_an_origin_reads_well() -> None:
    assert str(Origin("recipe", "unet.yaml:3")) == "recipe unet.yaml:3"
    assert str(Origin("default")) == "default"
    assert str(Origin("auto", "width=8", [8])) == "auto: width=8"
    assert str(Origin("auto", "width=8", [8], "recipe a.yaml:3")) == "auto: width=8 (asked for by recipe a.yaml:3)"


def write(folder: Path, found: Resolved) -> Path:
    (folder / "resolved.json").write_text(json.dumps(resolved.to_json(found)))
    return folder


def test_a_run_folder_gives_back_what_was_resolved(tmp_path: Path) -> None:
    found = load(tmp_path, RICH, "train.epochs=3").settled({"train.steps": Chosen("3 epochs of 2 steps", 6)})
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
