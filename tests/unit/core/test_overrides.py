from __future__ import annotations

import pytest

from kvision.core import overrides
from kvision.core.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.epochs=3", ("train", "epochs"), 3),
        ("optim.lr=1e-3", ("optim", "lr"), 0.001),
        ("model.filters=[8,16]", ("model", "filters"), [8, 16]),
        ("a.b={x: 1}", ("a", "b"), {"x": 1}),
        ("a=true", ("a",), True),
        ("a='3'", ("a",), "3"),
        ("a=null", ("a",), None),
        ("a=x=y", ("a",), "x=y"),
        ("a=C:\\photos", ("a",), "C:\\photos"),
        ('a="b #c"', ("a",), "b #c"),
        ('a=""', ("a",), ""),
    ],
)
def test_values_follow_yaml_1_2(text: str, path: tuple[str, ...], value: object) -> None:
    found = overrides.parse(text)
    assert (found.path, found.value) == (path, value)
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("text", "words", "caret"),
    [
        ("train.epochs", "got no `=`", 0),
        ("=3", "got '' before the `=`", 0),
        ("a b=3", "got 'a b' before the `=`", 0),
        ("a..b=3", "got 'a..b' before the `=`", 0),
        ("train.epochs=", "write `train.epochs=null` for none", 13),
        ("a=x #y", "YAML ignores what follows", 4),
        ("a=[1, 2", "a bracket is not closed", 2),
        ("a=1\n2", "got several lines", 2),
        ("a=!!int 3", "got the tag", 2),
        ("a=&x [*x]", "inside its own anchor", 2),
    ],
)
def test_a_faulty_override_is_shown_with_a_caret(text: str, words: str, caret: int) -> None:
    with pytest.raises(RecipeError) as caught:
        overrides.parse(text)
    (problem,) = caught.value.problems
    assert problem.where == "command line"
    assert words in problem.message
    assert problem.excerpt.splitlines()[1] == " " * (4 + caret) + "^"
