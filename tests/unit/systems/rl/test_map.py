import gymnasium
import numpy as np
import pytest
from PIL import Image

from kvision.data.environments import dynamics
from kvision.systems.rl import _map

LEFT, DOWN, RIGHT, UP = (0, -1), (1, 0), (0, 1), (-1, 0)


def cell(picture, row, column):
    """A pixel near the corner of a cell, beside what is written in it."""
    return picture.getpixel((_map.MARGIN_PX + column * _map.CELL_PX + 3, _map.MARGIN_PX + _map.LINE_PX + row * _map.CELL_PX + _map.CELL_PX - 6))


@pytest.mark.parametrize(
    ("name", "columns", "directions"),
    [("FrozenLake-v1", 4, [LEFT, DOWN, RIGHT, UP]), ("CliffWalking-v1", 12, [UP, RIGHT, DOWN, LEFT])],
)
def test_arrows_point_where_actions_lead_also_on_slippery_ground(name, columns, directions):
    np.testing.assert_allclose(_map._directions(dynamics.from_gymnasium(gymnasium.make(name)), columns), directions, atol=1e-12)


def test_the_map_tells_ends_from_places_that_nobody_comes_to():
    values = np.zeros([48, 4])
    values[:36] = np.arange(36)[:, None]
    found = _map.on_grid(values, dynamics.from_gymnasium(gymnasium.make("CliffWalking-v1")), 13, "title")
    assert found.size == (12 * _map.CELL_PX + 2 * _map.MARGIN_PX, 4 * _map.CELL_PX + _map.LINE_PX + 2 * _map.MARGIN_PX)
    assert cell(found, 3, 11) == _map.GOAL
    assert cell(found, 3, 4) == _map.WALL
    assert cell(found, 0, 0) != cell(found, 2, 11)
    corner = (_map.MARGIN_PX + _map.CELL_PX, _map.MARGIN_PX + _map.LINE_PX + _map.CELL_PX)
    assert found.getpixel(corner) == _map.HERE
    lake = _map.on_grid(np.zeros([16, 4]), dynamics.from_gymnasium(gymnasium.make("FrozenLake-v1")), None, "title")
    assert (cell(lake, 1, 1), cell(lake, 3, 3)) == (_map.HOLE, _map.GOAL)


def test_states_that_are_no_places_are_rows_of_a_table_in_several_columns():
    values = np.arange(130.0 * 3).reshape(130, 3)
    found = _map.as_table(values, 129, "title")
    block = 3 * _map.WIDTH_PX + _map.MARGIN_PX
    assert found.size == (3 * block - _map.MARGIN_PX + 2 * _map.MARGIN_PX, _map.TALLEST * _map.HEIGHT_PX + _map.LINE_PX + 2 * _map.MARGIN_PX)
    row = _map.MARGIN_PX + _map.LINE_PX + _map.HEIGHT_PX + 3
    assert found.getpixel((_map.MARGIN_PX + 2 * block - 2, row)) == _map.HERE
    assert found.getpixel((_map.MARGIN_PX + 2 * _map.WIDTH_PX + 8, row)) == _map.INK  # the best action is the last


def test_pictures_stand_one_above_the_other():
    found = _map.stacked(Image.new("RGB", (4, 2), "red"), Image.new("RGB", (3, 5), "blue"))
    assert found.size == (4, 7)
    assert [found.getpixel(place) for place in ((3, 1), (2, 2), (3, 6))] == [(255, 0, 0), (0, 0, 255), _map.BACKDROP]
