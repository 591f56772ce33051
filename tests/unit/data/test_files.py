from __future__ import annotations

import pytest

from kvision.core.errors import DataError
from kvision.data.files import folder, in_threads, read_list


def test_a_folder_far_away(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r'data.path: there is no folder .*/phots/2024/a; .* holds the folders photos; did you mean "photos"'):
        folder(tmp_path / "phots/2024/a", "data.path")


def test_a_list_that_is_not_text(tmp_path):
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(DataError, match=r"data.val_list: .*val.txt can't be read as a list of names"):
        read_list(tmp_path / "val.txt", "data.val_list", {})


def test_threads_keep_the_order():
    assert list(in_threads(lambda number: number * number, range(100))) == [number * number for number in range(100)]
