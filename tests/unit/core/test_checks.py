"""Options without an effect, and values for each class, in the words of a recipe."""

from __future__ import annotations

import pytest

from kvision.core import checks
from kvision.core.errors import UsageError
from kvision.core.schema import Section


class Loss(Section):
    name: str = "ce"
    gamma: float = 2.0


USERS = {"gamma": ("focal", "poly")}


def test_an_option_that_nothing_looks_at_is_told() -> None:
    assert checks.without_effect("loss", Loss(gamma=1.0), "loss.name", USERS) == [
        ("loss.gamma", "1.0 has no effect on loss.name=ce; take it out, or use loss.name=focal or poly")
    ]


@pytest.mark.parametrize("options", [Loss(), Loss(name="poly", gamma=1.0)])
def test_the_default_and_what_is_looked_at_are_not(options: Loss) -> None:
    assert not checks.without_effect("loss", options, "name", USERS)


def test_as_many_values_as_classes() -> None:
    checks.one_for_each_class("loss.class_weights", (1.0, 2.0), ("cat", "dog"))
    checks.one_for_each_class("loss.class_weights", None, ("cat", "dog"))
    with pytest.raises(UsageError, match=r"loss\.class_weights: 1 values for the 2 classes cat, dog; give one for each"):
        checks.one_for_each_class("loss.class_weights", (1.0,), ("cat", "dog"))
