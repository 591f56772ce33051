from __future__ import annotations

from pathlib import Path

from kvision.data.sources.gather import GatherSource, Options


def test_the_world_is_as_the_options_say() -> None:
    maker = GatherSource(Options(size_px=8, coins=3, guards=1, max_episode_steps=50), seed=0, base=Path()).maker()
    world = maker.make(2)
    assert (maker.name, maker.threshold, world.num) == ("gather", 5.0, 2)
    assert (world.size, world.coins, world.guards, world.max_steps) == (8, 3, 1, 50)  # type: ignore[attr-defined]
    assert maker.spaces.actions == (5,)
