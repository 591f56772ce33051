"""YAML text becomes plain values with places; what a recipe may not hold is refused where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from kvision.core.errors import RecipeError
from kvision.core.yaml_parser import Place, excerpt, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("'3'", "3"),
        ("1_000", "1_000"),
        ("", None),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    found, _ = parse(text, "x.yaml")
    assert found == value
    assert type(found) is type(value)


def test_every_value_has_the_place_of_its_key_and_of_itself() -> None:
    values, places = parse("a: 1\nb:\n  c: [x, y]\n", "x.yaml")
    assert values == {"a": 1, "b": {"c": ["x", "y"]}}
    assert places["a",] == Place(0, 3, (0, 0))
    assert places["b", "c"] == Place(2, 5, (2, 2))
    assert places["b", "c", 1] == Place(2, 9, None)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: !!python/name:os.system 1", "x.yaml:1:4", "got the tag"),
        ("a: 1\na: 2", "x.yaml:2:1", "the key is there twice, first in line 1"),
        ("a: *b", "x.yaml:1:4", "has no anchor"),
        ("a: &b [*b]", "x.yaml:1:8", "stands inside its own anchor"),
        ("[" * 21 + "]" * 21, "x.yaml:1:21", "nested deeper than 20 levels"),
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [" + "*a, " * 24 + "]\nc: [" + "*b, " * 24 + "]", "x.yaml:3:", "holds more than 5,000 values"),
    ],
    ids=["tag", "twice", "no anchor", "endless", "deep", "bomb"],
)
def test_what_a_recipe_may_not_hold(text: str, where: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(text, "x.yaml")
    problem = caught.value.problems[0]
    assert problem.where.startswith(where)
    assert message in problem.message
    assert problem.excerpt.endswith("^")


def test_an_excerpt_of_a_long_line_is_cut_around_the_caret() -> None:
    line, caret = excerpt(["x" * 500 + "!" + "y" * 500], 0, 500).splitlines()
    assert len(line) < 150
    assert line[len(caret) - 1] == "!"
    assert excerpt(["one"], 5, 0) == ""
