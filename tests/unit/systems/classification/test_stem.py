"""Which beginning a network has for pictures of a size."""

from __future__ import annotations

import pytest

from kvision.core.schema import Chosen
from kvision.systems.classification._stem import Stem, chosen_stem, small_stem


@pytest.mark.parametrize(("stem", "size_px", "small"), [("auto", 63, True), ("auto", 64, False), ("cifar", 224, True), ("imagenet", 28, False)])
def test_small_pictures_begin_without_strides_unless_told_otherwise(stem: Stem, size_px: int, small: bool) -> None:
    assert small_stem(stem, size_px) == small


def test_the_limit_may_be_another_one_and_is_told() -> None:
    assert small_stem("auto", 74, 75)
    assert chosen_stem("auto", 75) == {"stem": Chosen("cifar below 75 px, else imagenet")}
    assert chosen_stem("cifar") == {}
