from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from kvision.core import describe
from kvision.core.schema import Count, Positive, Probability, Section
from tests.unit.core.sections import Net


class Kinds(Section):
    """Fields of every kind."""

    whole: int = Field(1, ge=1, le=8)
    below: int = Field(0, ge=0, lt=2**31)
    share: Probability = 0.0
    rate: Positive = 1.0
    narrowed: Positive = Field(5.0, le=64.0)
    open_above: float = Field(1.0, ge=0.5)
    half_open: float = Field(0.0, ge=0.0, lt=1.0)
    even: int = Field(2, ge=0, multiple_of=2)
    maybe: float | None = Field(None, gt=0.0, lt=1.0)
    choice: Literal["a", "b"] = "a"
    either: int | Literal["auto"] = "auto"
    pair: tuple[Count, Count] = (1, 2)
    mixed: tuple[int, str] = (1, "a")
    many: tuple[Count, ...] = Field((1, 2), min_length=2, max_length=5)
    flag: bool = False
    name: str = "x"
    folder: Path = Path()
    table: dict[int, float] = Field(default_factory=dict)
    net: Net = Field(default_factory=Net)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whole", "a whole number from 1 to 8"),
        ("below", "a whole number from 0 to 2147483647"),
        ("share", "a number from 0 to 1"),
        ("rate", "a number above 0 and at most 1e9"),
        ("narrowed", "a number above 0 and at most 64"),
        ("open_above", "a number of at least 0.5"),
        ("half_open", "a number from 0 to below 1"),
        ("even", "a whole number of at least 0 that is a multiple of 2"),
        ("maybe", "a number above 0 and below 1 or null"),
        ("choice", "one of a, b"),
        ("either", "a whole number or auto"),
        ("pair", "a list of 2: each a whole number from 1 to 1e9"),
        ("mixed", "a list of 2: a whole number, text"),
        ("many", "a list of 2 to 5, each a whole number from 1 to 1e9"),
        ("flag", "true or false"),
        ("name", "text"),
        ("folder", "a path"),
        ("table", "keys with values, each a number"),
        ("net", "a section of keys (width, depth, filters, dropout, norm, skips ...)"),
    ],
)
def test_types_in_plain_words(name: str, words: str) -> None:
    assert describe.field_accepts(Kinds.model_fields[name]) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.001, "0.001"),
        (float("nan"), ".nan"),
        ([1, "a"], "[1, a]"),
        ({"a": [True]}, "{a: [true]}"),
        ("x", "x"),
    ],
)
def test_values_look_as_in_yaml(value: Any, text: str) -> None:
    assert describe.show(value) == text


def test_what_came_is_told_apart_from_what_it_looks_like() -> None:
    assert describe.got("3") == "'3'"
    assert describe.got(3) == "3"
    assert describe.got(None) == "nothing (null)"
    assert describe.got({"a": 1}) == "a section with a"
    assert describe.got(10**400) == "a whole number of 401 digits"


def test_long_values_are_shortened_unless_asked_for() -> None:
    assert describe.show("x" * 200) == "x" * 57 + "..."
    assert describe.show(["x" * 200], 1000) == "[" + "x" * 200 + "]"


def test_sections_are_seen_through_null_and_annotations() -> None:
    assert describe.section_of(Net | None) is Net
    assert describe.section_of(Annotated[Net, "note"]) is Net
    assert describe.section_of(int | None) is None
    paths = [".".join(path) for path, _ in describe.leaves(Kinds)]
    assert "net.width" in paths
    assert "net" not in paths
