"""VGG: equal to keras.applications with the same weights, its published sizes, and other poolings."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.layers.pooling import FractionalMaxPooling2D
from kvision.systems.classification.vgg import VGG
from tests.unit.systems.classification import nets


@pytest.mark.parametrize("depth", [16, 19])
def test_outputs_equal_keras_applications_with_its_weights(depth: int) -> None:
    # Without its hidden layers of 4,096 units, which the next test counts: the last map, flattened, goes into the logits.
    make = {16: keras.applications.VGG16, 19: keras.applications.VGG19}[depth]
    trunk = make(weights=None, include_top=False, input_shape=(32, 32, 3))
    reference = keras.Model(trunk.input, keras.layers.Dense(7)(keras.layers.Flatten()(trunk.output)))
    net = nets.made(VGG, 32, 7, depth=depth, hidden=()).net
    nets.copied(reference, net)
    x = nets.images(32)
    np.testing.assert_allclose(net(x), reference(x), rtol=1e-4, atol=1e-5 * np.abs(reference(x)).max())


def test_the_parameters_are_the_published_ones() -> None:
    # Those of the convolutions stand in the paper's order; the hidden layers of 224 px have 25,088 inputs.
    hidden = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    for depth, expected in ((11, 132_863_336), (13, 133_047_848), (16, 138_357_544), (19, 143_667_240)):
        net = nets.made(VGG, 32, 10, depth=depth, hidden=(), initializer="zeros").net
        assert net.count_params() - (512 * 10 + 10) + hidden == expected


def test_the_hidden_layers_see_49_places_of_512_maps_at_224_px() -> None:
    net = nets.made(VGG, 224, width=0.01, hidden=(5,)).net
    assert net.get_layer("pool5").output.shape[1:3] == (7, 7)
    assert net.get_layer("hidden0").kernel.shape == (49 * 5, 5)


def test_width_norm_and_dropout() -> None:
    net = nets.made(VGG, 28, depth=11, width=0.125, hidden=(9, 6), norm="batch").net
    assert [layer.filters for layer in net.layers if isinstance(layer, keras.layers.Conv2D)] == [8, 16, 32, 32, 64, 64, 64, 64]
    assert not net.get_layer("block1_1_conv").use_bias
    assert net.get_layer("hidden0").use_bias
    assert [layer.rate for layer in net.layers if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.5]
    assert net.get_layer("pool5").output.shape[1:3] == (1, 1)  # 28, 14, 7, 4, 2, 1


@pytest.mark.parametrize(
    ("pooling", "kind", "sides"),
    [("average", keras.layers.AveragePooling2D, [14, 7, 4, 2, 1]), ("fractional", FractionalMaxPooling2D, [18, 12, 8, 5, 3])],
)
def test_other_poolings(pooling: str, kind: type, sides: list[int]) -> None:
    net = nets.made(VGG, 28, depth=11, width=0.05, hidden=(4,), pooling=pooling).net
    pools = [net.get_layer(f"pool{stage}") for stage in range(1, 6)]
    assert all(isinstance(pool, kind) for pool in pools)
    assert [pool.output.shape[1] for pool in pools] == sides
    assert np.isfinite(net(nets.images(28), training=True)).all()


def test_a_ratio_without_effect_is_refused() -> None:
    problems = VGG.check(nets.recipe(VGG, 32, pool_ratio=1.4))
    assert problems == [("model.pool_ratio", "1.4 has no effect on pooling=max; take it out, or use pooling=fractional")]
    assert VGG.check(nets.recipe(VGG, 32, pool_ratio=1.4, pooling="fractional")) == []
