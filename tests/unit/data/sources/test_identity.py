from __future__ import annotations

from pathlib import Path

import pytest

from kvision.data.sources.identity import IdentitySource, Options


@pytest.mark.parametrize(
    ("kind", "spaces"),
    [
        ("index", "observations 5 states, 5 actions"),
        ("one_hot", "observations float32 [5], 5 actions"),
        ("several", "observations float32 [15], 5 x 5 x 5 actions"),
        ("continuous", "observations float32 [3], 3 continuous actions"),
    ],
)
def test_each_kind_has_its_spaces(kind: str, spaces: str) -> None:
    maker = IdentitySource(Options(kind=kind, choices=5, dims=3, max_episode_steps=20), seed=0, base=Path()).maker()  # type: ignore[arg-type]
    assert str(maker.spaces) == spaces
    assert maker.threshold == 18.0
