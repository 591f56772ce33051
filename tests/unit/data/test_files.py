from __future__ import annotations

import pytest

from kvision.core.errors import DataError
from kvision.data.files import FAULTS, Fault, find_pairs, folder, in_threads, in_val, read_list, stop_message


def test_the_share_of_validation_is_about_what_was_asked_for():
    keys = [f"img_{number}" for number in range(4000)]
    assert sum(in_val(key, 0.2) for key in keys) == pytest.approx(800, abs=80)
    assert {key for key in keys if in_val(key, 0.1)} < {key for key in keys if in_val(key, 0.2)}


def test_the_hash_is_fixed_for_good():
    """Were it to change, old runs would be validated on what they were trained on."""
    assert [in_val(key, 0.3) for key in ("a", "b", "000", "deep/er/x", "ü")] == [False, True, True, False, False]


def test_pairs_and_left_overs(tmp_path):
    for name in ("images/a.JPG", "images/sub/b.png", "images/c.png", "masks/a.png", "masks/sub/b_gt.png", "masks/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pairs, faults = find_pairs(tmp_path, tmp_path / "images", tmp_path / "masks")
    assert [(pair.key, pair.name, pair.mask_name) for pair in pairs] == [
        ("a", "images/a.JPG", "masks/a.png"),
        ("sub/b", "images/sub/b.png", "masks/sub/b_gt.png"),
    ]
    assert [(fault.kind, fault.files) for fault in faults] == [("missing-mask", ("images/c.png",)), ("extra-mask", ("masks/d.png",))]


def test_a_folder_far_away(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r'data.path: there is no folder .*/phots/2024/a; .* holds the folders photos; did you mean "photos"'):
        folder(tmp_path / "phots/2024/a", "data.path")


def test_a_list_that_is_not_text(tmp_path):
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(DataError, match=r"data.val_list: .*val.txt can't be read as a list of names"):
        read_list(tmp_path / "val.txt", "data.val_list", {})


def test_the_message_that_stops_a_training(tmp_path):
    faults = [Fault("zero-byte", ("a.png",), "empty"), Fault("zero-byte", ("b.png",), "empty"), Fault("size", ("c.png", "d.png"), "5x5 and 6x6")]
    lines = stop_message(faults, tmp_path).splitlines()
    assert lines[0] == f"{tmp_path}: 3 faults stop the training:"
    assert lines[1] == f"  a.png: empty (and 1 more like it); {FAULTS['zero-byte'].fix}"
    assert lines[2] == f"  c.png and d.png: 5x5 and 6x6; {FAULTS['size'].fix}"


def test_threads_keep_the_order():
    assert list(in_threads(lambda number: number * number, range(100))) == [number * number for number in range(100)]
