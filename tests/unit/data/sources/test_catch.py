from __future__ import annotations

from pathlib import Path

from kvision.data.sources.catch import CatchSource, Options


def test_it_is_solved_when_nine_drops_of_ten_are_caught() -> None:
    source = CatchSource(Options(size_px=12, drops=20, episodes=3), seed=0, base=Path())
    maker = source.info.environment
    assert maker is not None
    assert (maker.name, maker.threshold) == ("catch", 18.0)
    assert maker.spaces.observation_shape == (12, 12, 3)
    assert len(source.split("val")) == 3
    assert source.report()["spaces"] == "observations uint8 [12, 12, 3], 3 actions"
