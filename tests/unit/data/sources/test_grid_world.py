from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from kvision.data.sources.grid_world import MAP, GridWorldSource, Options


def source(**options: object) -> GridWorldSource:
    return GridWorldSource(Options(**options), seed=0, base=Path())


def test_the_map_that_comes_with_it_can_be_walked_on() -> None:
    maker = source(slip=0.5).maker()
    assert maker.spaces.num_states == len("".join(MAP)) == 45
    assert maker.spaces.actions == (4,)
    dynamics = maker.dynamics()
    assert dynamics is not None
    assert dynamics.grid == (5, 9)
    assert (dynamics.max_steps, dynamics.start[0]) == (100, 1.0)
    assert dynamics.rewards[43, 2, 44] == pytest.approx(1.0 - 0.01)  # into the goal


def test_pictures_have_a_pixel_for_each_cell() -> None:
    maker = source(shows="picture", map=("S.", "OG", "..")).maker()
    assert (maker.spaces.observation_shape, maker.spaces.observation_dtype) == ((3, 2, 3), "uint8")


def test_a_map_that_can_not_be_walked_on_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"no way leads from the start at row 1, place 1 to a goal; open a wall"):
        Options(map=("S#", "#G"))
