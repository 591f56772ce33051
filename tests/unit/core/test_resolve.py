from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvision import catalog
from kvision.core.errors import RecipeError
from kvision.core.resolved import Origin
from tests.unit.core.sections import MINIMAL, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(folder: Path, text: str, *overrides: str, smoke: bool = False, **others: str) -> list[str]:
    """`file:line:col: path: message` of each problem."""
    with pytest.raises(RecipeError) as caught:
        load(folder, text, *overrides, smoke=smoke, **others)
    return [str(problem).partition("\n")[0] for problem in caught.value.problems]


def only(folder: Path, text: str, *overrides: str, smoke: bool = False, **others: str) -> str:
    found = problems(folder, text, *overrides, smoke=smoke, **others)
    assert len(found) == 1, found
    return found[0]


def test_later_layers_win_and_each_value_knows_its_origin(tmp_path: Path) -> None:
    base = "system: fake/net\nmodel: {width: 8, depth: 2, dropout: 0.1, norm: none}\ndata: {source: scenes}\n"
    text = "extends: base.yaml\nmodel: {depth: 3, dropout: 0.2,\n  norm: group}\nsmoke: {model.dropout: 0.3, model.norm: batch}\n"
    found = load(tmp_path, text, "model.norm=none", smoke=True, base=base)
    model = found.recipe.model.model_dump()
    assert (model["width"], model["depth"], model["dropout"], model["norm"], model["skips"]) == (8, 3, 0.3, "none", True)
    assert found.origins["model.width"] == Origin("base", "base.yaml:2")
    assert found.origins["model.depth"] == Origin("recipe", "recipe.yaml:2")
    assert found.origins["model.dropout"] == Origin("smoke", "recipe.yaml:4")
    assert found.origins["model.norm"] == Origin("command line", "model.norm=none")
    assert found.origins["model.skips"] == Origin("default")
    assert found.base == tmp_path


def test_smoke_values_count_only_with_smoke(tmp_path: Path) -> None:
    text = MINIMAL + "smoke: {train.steps: 3, data: {size_px: 32}}\n"
    assert load(tmp_path, text).recipe.train.steps is None
    smoked = load(tmp_path, text, smoke=True).recipe
    assert (smoked.train.steps, smoked.data.size_px) == (3, 32)


def test_smoke_sections_of_base_and_recipe_are_joined(tmp_path: Path) -> None:
    base = MINIMAL + "smoke: {train.steps: 3, train.epochs: 1}\n"
    found = load(tmp_path, "extends: base.yaml\nsmoke: {train.steps: 5}\n", smoke=True, base=base)
    assert (found.recipe.train.steps, found.recipe.train.epochs) == (5, 1)
    assert found.origins["train.epochs"].where == "base.yaml:3"
    assert found.recipe.smoke == {"train.steps": 5, "train.epochs": 1}


def test_the_result_of_a_base_is_not_mixed_into_the_recipe_s_own(tmp_path: Path) -> None:
    base = MINIMAL + "expect: {metric: val/miou, at_least: 0.9, evidence: paper}\n"
    found = load(tmp_path, "extends: base.yaml\nexpect: {metric: val/loss, at_most: 2}\n", base=base).recipe.expect
    assert found is not None
    assert (found.metric, found.at_least, found.at_most, found.evidence) == ("val/loss", None, 2.0, "none")
    assert load(tmp_path, "extends: base.yaml\n", base=base).recipe.expect is not None


def test_lists_and_tables_are_replaced_whole(tmp_path: Path) -> None:
    base = MINIMAL + "model: {filters: [8, 16, 32], weights: {0: 1.0, 1: 2.0}}\n"
    found = load(tmp_path, "extends: base.yaml\nmodel: {filters: [4], weights: {5: 3.0}}\n", base=base).recipe.model.model_dump()
    assert found["filters"] == (4,)
    assert found["weights"] == {5: 3.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: {dpth: 3}", "recipe.yaml:3:9: model.dpth: unknown key; accepted are width, depth, filters"),
        ("model: {depth: four}", "recipe.yaml:3:16: model.depth: got 'four', expected a whole number from 1 to 8"),
        ("model: {depth: '3'}", "recipe.yaml:3:16: model.depth: got '3', expected a whole number from 1 to 8; remove the quotes"),
        ("model: {depth: 3.0}", "recipe.yaml:3:16: model.depth: got 3.0, expected a whole number from 1 to 8; write 3"),
        ("model: {depth: true}", "recipe.yaml:3:16: model.depth: got true, expected a whole number from 1 to 8"),
        ("model: {depth: 0}", "recipe.yaml:3:16: model.depth: got 0, expected a whole number from 1 to 8"),
        ("model: {depth: -3}", "recipe.yaml:3:16: model.depth: got -3, expected a whole number from 1 to 8"),
        ("model: {depth: 99999999999999999999}", "recipe.yaml:3:16: model.depth: got 1e20, expected a whole number from 1 to 8"),
        ("model: {dropout: .nan}", "recipe.yaml:3:18: model.dropout: got .nan, expected a number from 0 to below 1, which is finite"),
        ("loss: {gamma: .inf}", "recipe.yaml:3:15: loss.gamma: got .inf, expected a number, which is finite"),
        ("loss: {gamma: .nan}", "recipe.yaml:3:15: loss.gamma: got .nan, expected a number, which is finite"),
        ("optim: {lr: -1}", "recipe.yaml:3:13: optim.lr: got -1, expected a number above 0 and at most 1e9"),
        ("model: {norm: batsch}", "recipe.yaml:3:15: model.norm: got 'batsch', expected one of batch, group, none; did you mean \"batch\"?"),
        ("model: {skips: yes}", "recipe.yaml:3:16: model.skips: got 'yes', expected true or false; write true without quotes"),
        ("model: {skips: 1}", "recipe.yaml:3:16: model.skips: got 1, expected true or false"),
        ("model: {title: 3}", "recipe.yaml:3:16: model.title: got 3, expected text; put it in quotes"),
        ("model: {filters: [8, x]}", "recipe.yaml:3:22: model.filters[1]: got 'x', expected a whole number from 1 to 1e9"),
        ("model: {filters: 8}", "recipe.yaml:3:18: model.filters: got 8, expected a list, each a whole number from 1 to 1e9 or null"),
        ("model: {span: [1]}", "recipe.yaml:3:15: model.span: got [1], expected a list of 2"),
        ("model: {weights: {a: 1.0}}", "recipe.yaml:3:22: model.weights.a: got the key 'a', expected a whole number"),
        ("model: 3", "recipe.yaml:3:8: model: got 3, expected a section of keys (width, depth"),
        ("model:", "recipe.yaml:3:1: model: got nothing (null), expected a section of keys"),
        ("optim: {groups: [{lr_scale: 1}]}", "recipe.yaml:3:18: optim.groups[0].match: missing; expected text"),
        (
            "optim: {groups: [{match: a, decay: 1}]}",
            "recipe.yaml:3:29: optim.groups[0].decay: unknown key; accepted are match, lr_scale, weight_decay",
        ),
        (
            "optim: {groups: [{match: a}, {match: '('}]}",
            "recipe.yaml:3:38: optim.groups[1].match: got '(', which is no regular expression (missing ), unterminated subpattern at position 0)",
        ),
        ("expect: {at_least: 0.5}", "recipe.yaml:3:1: expect.metric: missing; expected text (A column of metrics.csv"),
        ("expect: {}", "recipe.yaml:3:1: expect.metric: missing"),
        (
            "trian: {epochs: 3}",
            "recipe.yaml:3:1: trian: unknown key; accepted are system, model, loss, data, optim, train, smoke, expect, cost, extends",
        ),
        ("model: {depth: 8}\n", "recipe.yaml:3:16: model.depth: 8 does not divide size_px=128; use fewer"),
        ("smoke: {train.stps: 3}", "recipe.yaml:3:9: smoke.train.stps: unknown key; accepted are epochs, steps"),
        ("smoke: {train.steps: x}", "recipe.yaml:3:22: smoke.train.steps: got 'x', expected a whole number from 1 to 1e9 or null"),
        ("smoke: {steps: 3}", "recipe.yaml:3:9: smoke.steps: unknown key"),
        ("smoke: {system: other}", "recipe.yaml:3:9: smoke.system: smoke holds dotted paths of options"),
        ("smoke: {data.size_px: 33}", "model.depth: 4 does not divide size_px=33; use fewer (with --smoke)"),
        ("smoke: 3", "recipe.yaml:3:8: smoke: got 3, expected keys with values"),
    ],
)
def test_a_fault_is_named_with_place_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in only(tmp_path, MINIMAL + text)


def test_three_for_a_float_is_fine(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "optim: {lr: 3}\n").recipe.optim.lr == 3.0


def test_all_problems_of_all_sections_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "system: fake/nett\nmodel: {depth: 1}\ndata: {source: scene, size_px: 1, batch: x}\noptm: {}\ntrain: {epochs: 0}\nsmoke: {train.stps: 1}\n"
    found = problems(tmp_path, text, "train.seed=-1", "optim.lr")
    assert [line.split(": ")[:2] for line in found] == [
        ["recipe.yaml:1:9", "system"],
        ["recipe.yaml:3:16", "data.source"],
        ["recipe.yaml:3:32", "data.size_px"],
        ["recipe.yaml:3:42", "data.batch"],
        ["recipe.yaml:4:1", "optm"],
        ["recipe.yaml:5:17", "train.epochs"],
        ["recipe.yaml:6:9", "smoke.train.stps"],
        ["command line", "got no `=`, expected `key=value`, such as `train.epochs=3`"],
        ["command line", "train.seed"],
    ]


def test_rules_between_sections_are_checked_beside_other_faults(tmp_path: Path) -> None:
    found = problems(tmp_path, MINIMAL + "model: {depth: 8}\ntrain: {epochs: 0}\n")
    assert len(found) == 2
    assert "8 does not divide size_px=128" in found[0]


def test_no_rule_is_checked_on_a_value_that_is_not_there(tmp_path: Path) -> None:
    assert "size_px: got 'x'" in only(tmp_path, "system: fake/net\nmodel: {depth: 8}\ndata: {source: scenes, size_px: x}\n")


def test_what_is_overridden_later_is_validated_all_the_same(tmp_path: Path) -> None:
    text = MINIMAL + "train: {epochs: 0}\n"
    assert "recipe.yaml:3:17: train.epochs: got 0" in only(tmp_path, text, "train.epochs=3")
    assert "base.yaml:3:17: train.epochs: got 0" in only(tmp_path, "extends: base.yaml\ntrain: {epochs: 3}\n", base=text)
    assert "smoke.train.epochs: got 0" in only(tmp_path, MINIMAL + "smoke: {train.epochs: 0}\n", "train.epochs=3", smoke=True)


def test_a_rule_that_the_command_line_mends_is_no_problem(tmp_path: Path) -> None:
    text = MINIMAL + "model: {depth: 8}\nsmoke: {train.steps: 3}\n"
    assert load(tmp_path, text, "data.size_px=256").recipe.data.size_px == 256


def test_missing_system_and_source_are_both_named(tmp_path: Path) -> None:
    found = problems(tmp_path, "train: {epochs: 3}\n")
    assert [line.split(": ")[1] for line in found] == ["system", "data.source"]


def test_system_and_source_may_come_from_the_command_line(tmp_path: Path) -> None:
    found = load(tmp_path, "model: {width: 8}\n", "system=fake/net", "data={source: scenes, batch: 2}")
    assert found.recipe.data.batch == 2
    assert found.origins["system"] == Origin("command line", "system=fake/net")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.dpth=3", "command line: model.dpth: unknown key"),
        ("model.depth=four", "command line: model.depth: got 'four'"),
        ("model.depth=9", "command line: model.depth: got 9, expected a whole number from 1 to 8"),
        ("optim.lr=.nan", "command line: optim.lr: got .nan"),
        ("model.depth.x=9", "command line: model.depth: got a section with x, expected a whole number"),
        ("model.a.b=9", "command line: model.a: unknown key"),
        ("model=3", "command line: model: got 3, expected a section"),
        ("extends=other.yaml", "command line: extends: can't be given on the command line"),
        ("smoke.train.steps=3", "give the option itself"),
        ("expect.at_least=0.5", "expect.metric: missing"),
        ("system=other", "command line: system: got 'other', expected fake/net"),
    ],
)
def test_a_faulty_override_points_at_the_command_line(tmp_path: Path, override: str, expected: str) -> None:
    assert expected in only(tmp_path, MINIMAL, override)


def test_an_override_given_twice_is_not_silently_dropped(tmp_path: Path) -> None:
    assert "given twice, first as `train.epochs=3`" in only(tmp_path, MINIMAL, "train.epochs=3", "train.epochs=4")
    found = load(tmp_path, MINIMAL, "model={width: 4}", "model.depth=3").recipe.model.model_dump()
    assert (found["width"], found["depth"]) == (4, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: bse.yaml\n", "recipe.yaml:1:10: extends: got 'bse.yaml', but bse.yaml does not exist"),
        ("extends: bse.yaml\n", 'did you mean "base.yaml"?'),
        ("extends: recipe.yaml\n", "got the recipe itself"),
        ("extends: [base.yaml]\n", "got [base.yaml], expected the path of one recipe"),
        ("extends: second.yaml\n", "second.yaml, which extends 'base.yaml' in turn; a base may not extend another"),
    ],
)
def test_extends_takes_one_whole_recipe(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in only(tmp_path, text, base=MINIMAL, second="extends: base.yaml\n")


def test_extends_is_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.yaml").write_text(MINIMAL + "train: {epochs: 7}\n")
    monkeypatch.chdir("/")
    assert load(tmp_path / "deep", "extends: ../base.yaml\n").recipe.train.epochs == 7


def test_the_excerpt_has_a_caret_under_the_fault(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, MINIMAL + "model: {depth: four}\n")
    assert str(caught.value).splitlines()[1:] == ["    model: {depth: four}", "                   ^"]


def test_a_fault_of_a_value_that_was_not_given_names_the_value(tmp_path: Path) -> None:
    found = only(tmp_path, MINIMAL + "model: {title: needs a twin}\n")
    assert found == "recipe.yaml:3:1: model.twin: needs to be given beside this title"


def test_another_source_leaves_out_what_only_the_one_before_it_has(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "system: segmentation/unet\nmodel: {}\ndata: {source: image_masks, masks: labels, classes: 3, size_px: 32}\n"
        "smoke: {data.source: scenes, data.min_objects: 2}\n"
    )
    for found in (catalog.load(path, smoke=True), catalog.load(path, ["data.source=scenes", "data.min_objects=2"])):
        assert (found.recipe.data.source, found.recipe.data.min_objects, found.recipe.data.size_px) == ("scenes", 2, 32)
        assert "data.masks" not in found.origins
    assert catalog.load(path).recipe.data.masks == "labels"


def test_faults_of_a_source_that_a_later_layer_replaces_are_still_told(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("system: segmentation/unet\nmodel: {}\ndata: {source: image_masks, mask: labels, classes: 3}\n")
    with pytest.raises(RecipeError, match=r"data\.mask: unknown"):
        catalog.load(path, ["data.source=scenes"])
