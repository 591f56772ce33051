from __future__ import annotations

import numpy as np
import pytest

from kvision.data.scenes import ground


def test_every_kind_is_drawn_and_has_texture():
    kinds = {}
    for seed in range(60):
        made = ground.ground(np.random.default_rng(seed), 48)
        assert made.image.shape == (48, 48, 3)
        assert made.image.dtype == np.float32
        assert -0.3 < made.image.min() <= made.image.max() < 1.3
        kinds.setdefault(made.kind, []).append(made.image.std())
    assert set(kinds) == set(ground.TEXTURES)
    assert all(max(spread) > 0.03 for spread in kinds.values())


def test_clouds_are_smooth_and_span_the_range():
    field = ground.clouds(np.random.default_rng(0), 64, 3, 3)
    assert np.abs(np.diff(field, axis=0)).max() < 0.25 < np.ptp(field)


def test_light_without_strength_changes_nothing():
    assert ground.light(np.random.default_rng(0), 16, 0.0) == pytest.approx(np.ones((16, 16, 3)))
    assert np.ptp(ground.light(np.random.default_rng(0), 16, 1.0)) > 0.2


def test_clutter_is_colour_times_cover():
    assert ground.clutter(np.random.default_rng(0), 32, 0, width=0.05) is None
    layer = ground.clutter(np.random.default_rng(1), 64, 12, width=0.05)
    assert layer.shape == (64, 64, 4)
    assert 0.01 < layer[..., 3].mean() < 0.6
    assert (layer[..., :3] <= layer[..., 3:] + 1e-6).all()
    assert (layer[layer[..., 3] == 0] == 0).all()


def test_grain_is_standard_normal():
    for size in (64, 600):
        noise = ground.grain(np.random.default_rng(2), size)
        assert noise.shape == (size, size, 3)
        assert (noise.mean(), noise.std()) == pytest.approx((0, 1), abs=0.05)
