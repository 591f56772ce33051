from __future__ import annotations

from kvision.core import names


def test_near_misses_are_suggested_whatever_their_case() -> None:
    assert names.did_you_mean("dpeth", ["width", "depth"]) == '; did you mean "depth"?'
    assert names.nearest("UNET", ["resnet", "unet"]) == "unet"


def test_nothing_is_suggested_where_nothing_is_alike() -> None:
    assert names.did_you_mean("batch", ["width", "depth"]) == ""
    assert names.did_you_mean("batch", []) == ""
