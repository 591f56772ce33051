from __future__ import annotations

import pytest

from kvision.data.scenes.content import Content, usual_px
from tests.unit.data.scenes.drawn import content

# Middles on a 64 px side: 0.15 of it are 9.6 px, 0.03 are 1.92 px.
PAIR = content(("circle", "red", (30, 10), 16), ("square", "blue", (38, 40), 30))


def test_a_relation_is_along_the_axis_that_parts_most() -> None:
    assert PAIR.relation(0, 1) == "left"
    assert PAIR.relation(1, 0) == "right"
    tall = content(("circle", "red", (10, 30), 16), ("square", "blue", (50, 38), 30))
    assert (tall.relation(0, 1), tall.relation(1, 0)) == ("above", "below")


@pytest.mark.parametrize(("across", "expected"), [(9, ""), (10, "right"), (-10, "left")])
def test_a_relation_is_stated_from_the_clear_margin_on(across, expected) -> None:
    assert content(("circle", "red", (30, 30 + across), 8), ("star", "blue", (30, 30), 8)).relation(0, 1) == expected


@pytest.mark.parametrize(("down", "holds"), [(1, False), (2, True), (-2, False)])
def test_a_relation_holds_from_a_smaller_margin_on_and_along_either_axis(down, holds) -> None:
    scene = content(("circle", "red", (30 + down, 10), 8), ("star", "blue", (30, 40), 8))
    assert scene.is_so("below", 0, 1) is holds
    assert scene.is_so("above", 1, 0) is holds
    assert scene.is_so("left", 0, 1)


@pytest.mark.parametrize(
    ("length", "said", "small", "large"), [(16, "small", True, False), (18, "", True, False), (22, "", False, True), (24, "large", False, True)]
)
def test_sizes_are_stated_where_they_are_clear(length, said, small, large) -> None:
    scene = content(("circle", "red", (30, 30), length), usual=20.0)
    assert scene.size(scene.things[0]) == said
    assert scene.is_size("small", scene.things[0]) is small
    assert scene.is_size("large", scene.things[0]) is large


def test_things_that_a_name_fits() -> None:
    scene = content(("circle", "red", (10, 10), 16), ("circle", "blue", (30, 30), 30), ("square", "red", (50, 50), 30))
    assert scene.alike("circle") == (0, 1)
    assert scene.alike(ink="red", size="large") == (2,)
    assert scene.alike("star") == ()
    assert scene.alike() == (0, 1, 2)


def test_the_usual_length_is_between_the_smallest_and_the_largest() -> None:
    assert usual_px(64, (0.25, 0.49)) == pytest.approx(0.35 * 64)


def test_content_comes_back_from_its_text() -> None:
    assert Content.from_json(PAIR.to_json()) == PAIR
