"""Channel shuffle: a permutation, by hand, and its inverse."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.layers.shuffle import ChannelShuffle


def test_six_channels_in_two_groups_by_hand() -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
    np.testing.assert_array_equal(np.ravel(ChannelShuffle(2)(x)), [0, 3, 1, 4, 2, 5])


@pytest.mark.parametrize(("channels", "groups"), [(6, 1), (6, 2), (12, 3), (24, 8), (5, 5)])
def test_it_is_a_permutation_and_the_other_number_of_groups_its_inverse(channels: int, groups: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, channels)).astype(np.float32)
    shuffled = ChannelShuffle(groups)(x)
    order = np.argmax(np.asarray(ChannelShuffle(groups)(np.eye(channels, dtype=np.float32).reshape(channels, 1, 1, channels))), axis=-1).ravel()
    assert sorted(order) == list(range(channels))
    np.testing.assert_array_equal(np.asarray(shuffled)[..., order], x)
    np.testing.assert_array_equal(ChannelShuffle(channels // groups)(shuffled), x)


def test_it_is_saved_and_loaded(tmp_path: object) -> None:
    entry = keras.Input((2, 2, 6))
    net = keras.Model(entry, ChannelShuffle(3, name="shuffle")(entry))
    net.save(f"{tmp_path}/net.keras")
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 6)).astype(np.float32)
    np.testing.assert_array_equal(keras.models.load_model(f"{tmp_path}/net.keras")(x), net(x))
