from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.data import preprocess
from kvision.engine import dense
from tests.unit.engine import tiny

IMAGE = np.random.default_rng(0).integers(0, 256, (50, 77, 3), np.uint8)


@pytest.fixture(scope="module")
def crop():
    session = tiny.session(training=False, data={"fit": "crop"})
    for weight in session.system.net.trainable_weights:  # far from 0, so that the classes vary
        weight.assign(np.random.default_rng(len(weight.path)).normal(size=weight.shape))
    return session


@pytest.fixture(scope="module")
def resize():
    return tiny.session(training=False)


def whole(session, image):
    """The network on the picture alone, without any padding of ours: convolutions pad by themselves."""
    other = dense.resized(session.system, *image.shape[:2])
    return np.argmax(other.predict_step(session.pipeline.preprocess.normalise(image)[None])["probabilities"][0], -1)


def test_a_whole_picture_is_predicted_as_the_network_sees_it(crop):
    found = dense.Dense(crop).classes(IMAGE)
    assert (found.shape, found.dtype) == ((50, 77), np.uint8)
    expected = whole(crop, IMAGE)
    assert len(np.unique(expected)) == 3
    np.testing.assert_array_equal(found[:-2, :-2], expected[:-2, :-2])  # padding shows in the last two rows and columns at most


def test_tiles_equal_the_whole_picture(crop):
    tiled = dense.Dense(crop, tile_px=24, overlap_px=8).classes(IMAGE)  # the receptive field's radius of 2 is a quarter of the overlap
    assert np.mean(tiled == whole(crop, IMAGE)) > 0.999  # ties may fall otherwise


def test_large_pictures_are_tiled_by_themselves(crop, monkeypatch):
    monkeypatch.setattr(dense, "WHOLE_PX", 40 * 40)
    monkeypatch.setattr(dense, "TILE_PX", 32)
    predictor = dense.Dense(crop)
    np.testing.assert_array_equal(predictor.classes(IMAGE)[:-2, :-2], whole(crop, IMAGE)[:-2, :-2])
    assert list(predictor._graphs) == [(32, 32)]


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (3, 90)])
def test_any_size(crop, resize, shape):
    image = np.tile(IMAGE, (1, 2, 1))[: shape[0], : shape[1]]
    assert dense.Dense(crop).classes(image).shape == shape
    assert dense.Dense(resize).classes(image).shape == shape


def test_with_resize_the_letterbox_is_undone_on_the_probabilities(resize):
    placing = resize.pipeline.preprocess
    square, _ = placing.resize(tf.constant(IMAGE))
    probabilities = resize.system.predict_step(placing.normalise(square)[None])["probabilities"][0]
    expected = np.argmax(placing.restore(probabilities, 50, 77), -1)
    np.testing.assert_array_equal(dense.Dense(resize).classes(IMAGE), expected)


def test_huge_pictures_are_classified_at_a_lower_resolution(resize, monkeypatch):
    full = dense.Dense(resize).classes(IMAGE)
    monkeypatch.setattr(preprocess, "MOST_VALUES", 50 * 77)  # a third of what this picture needs
    coarse = dense.Dense(resize).classes(IMAGE)
    assert coarse.shape == full.shape
    assert np.mean(coarse == full) > 0.8


def test_the_stride_is_read_from_the_graph():
    image = keras.Input((32, 32, 3))
    x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(4, 3, strides=2, padding="same")(image))
    net = keras.Model(image, keras.layers.UpSampling2D(4)(x))
    assert dense.stride_px(net) == 4


def test_tiling_is_refused_for_whole_pictures(resize):
    with pytest.raises(UsageError, match=r"data\.fit=resize"):
        dense.Dense(resize, tile_px=32)


def test_a_network_bound_to_its_size(crop):
    image = keras.Input((16, 16, 3))
    system = type(crop.system)(crop.recipe, crop.pipeline.info)
    system.networks = {"net": keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))}
    with pytest.raises(UsageError, match=r"can't take pictures of 64x64 px, only of 16x16; use --tile 16"):
        dense.resized(system, 64, 64)
    assert dense.resized(system, 16, 16) is system


def test_a_system_without_probabilities(crop, monkeypatch):
    monkeypatch.setattr(type(crop.system), "predict_step", lambda self, image: {"boxes": image})
    with pytest.raises(UsageError, match="gives boxes and no probabilities"):
        dense.Dense(crop).classes(IMAGE)
