from __future__ import annotations

import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.data.tiling import Tiling, padded, ramp, strips


def box(tiles, radius=2):
    """Sums over a window of radius 2, zeros outside, beside the pixels themselves: a network of a small receptive field."""
    size = 2 * radius + 1
    around = np.pad(tiles, [(0, 0), (radius, radius), (radius, radius), (0, 0)])
    sums = sum(around[:, y : y + tiles.shape[1], x : x + tiles.shape[2]] for y in range(size) for x in range(size))
    return np.concatenate([sums, tiles], axis=-1).astype(np.float32)


def pooled(tiles):
    """Means of 4x4 blocks, spread again: what a network of stride 4 sees."""
    B, H, W, C = tiles.shape
    return tiles.reshape(B, H // 4, 4, W // 4, 4, C).mean(axis=(2, 4)).repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize(("height", "width"), [(40, 70), (33, 16), (7, 100), (16, 16), (61, 17)])
def test_tiles_equal_the_whole_picture_when_the_receptive_field_is_within_a_quarter_of_the_overlap(height, width):
    image = np.random.default_rng(0).normal(size=(height, width, 3)).astype(np.float32)
    found = list(strips(image, box, Tiling(tile_px=16, overlap_px=8)))
    assert sum(len(strip) for strip in found) == height
    np.testing.assert_allclose(np.concatenate(found), box(image[None])[0], atol=1e-5)


def test_a_receptive_field_beyond_the_margin_is_only_blended():
    image = np.random.default_rng(0).normal(size=(40, 40, 3)).astype(np.float32)
    found = np.concatenate(list(strips(image, box, Tiling(tile_px=16, overlap_px=2))))
    assert np.abs(found - box(image[None])[0]).max() > 0.1  # so the test above can fail


def test_tiles_begin_where_the_pooling_of_the_whole_picture_begins():
    image = np.random.default_rng(0).normal(size=(44, 60, 3)).astype(np.float32)
    found = np.concatenate(list(strips(image, pooled, Tiling(tile_px=16, overlap_px=6, stride_px=4))))
    np.testing.assert_allclose(found, pooled(image[None])[0], atol=1e-5)


def test_starts_by_hand():
    assert Tiling(16, 8).starts(16) == [0]
    assert Tiling(16, 8).starts(24) == [0, 8]
    assert Tiling(16, 8).starts(29) == [0, 8, 13]
    assert Tiling(16, 6, stride_px=4).starts(44) == [0, 8, 16, 24, 28]


def test_ramp_by_hand_and_neighbours_add_up_to_one():
    np.testing.assert_allclose(ramp(8, 4, first=True, last=False), [1, 1, 1, 1, 1, 0.853553, 0.146447, 0], atol=1e-6)
    left, right = ramp(16, 8, first=True, last=False), ramp(16, 8, first=False, last=True)
    np.testing.assert_allclose(left[8:] + right[:8], np.ones(8), atol=1e-6)
    assert ramp(16, 8, first=False, last=False)[:2].tolist() == [0, 0]
    assert (ramp(16, 0, first=False, last=False) == 1).all()


def test_memory_is_that_of_one_row_of_tiles():
    seen = []

    def predict(tiles):
        seen.append(tiles.shape)
        return tiles[..., :1]

    found = list(strips(np.zeros((100, 40, 3), np.float32), predict, Tiling(16, 8, batch=3)))
    assert set(seen) == {(3, 16, 16, 3)}  # one shape, so one graph
    assert max(strip.shape[0] for strip in found) <= 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((30, 4, 8), r"--tile 30: .* multiple of 8 pixels; use 24 or 32"),
        ((4, 0, 8), r"--tile 4: .*; use 8"),
        ((16, 16), r"--overlap 16: .* 0 to 15 px"),
    ],
)
def test_sizes_that_do_not_fit(arguments, message):
    with pytest.raises(UsageError, match=message):
        Tiling(*arguments)


def test_padded_by_hand():
    assert [padded(1, 8), padded(8, 8), padded(9, 8), padded(3, 4, 10)] == [8, 8, 16, 12]
