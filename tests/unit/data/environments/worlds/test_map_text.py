from __future__ import annotations

import pytest

from kvision.data.environments.worlds import map_text


@pytest.mark.parametrize("rows", [("SG",), (".", "G"), ("S.#", "..G", "S#."), ("S.O", "O.#", "O.G")])
def test_a_map_that_can_be_walked_on_has_no_fault(rows: tuple[str, ...]) -> None:
    assert map_text.fault(rows) is None


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ((), "got 0 rows of 0 cells; a map has 1 to 64 of each"),
        (("S" * 65,), "got 1 rows of 65 cells; a map has 1 to 64 of each"),
        (("S.G", ".."), "row 2 ('..') has 2 cells and row 1 ('S.G') has 3; make all rows equally long"),
        (("S.", "XG"), "row 2 has 'X' at place 1; a map is made of '.' floor, '#' wall, 'S' start, 'O' pit, 'G' goal"),
        (("#O", "#G"), "there is neither a start 'S' nor floor '.' to begin on; put one in"),
        (("S.", ".."), "there is no goal 'G'; put one in"),
        (("S.", "OO", ".G"), "no way leads from the start at row 1, place 1 to a goal; open a wall"),
        (("GS#", "##S"), "no way leads from the start at row 2, place 3 to a goal; open a wall"),
    ],
)
def test_a_fault_says_what_came_and_what_to_do(rows: tuple[str, ...], fault: str) -> None:
    assert map_text.fault(rows) == fault
