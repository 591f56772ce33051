from __future__ import annotations

import pytest

from kvision.data.pairs import find_pairs, in_val


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
