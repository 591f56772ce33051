"""What the device sees of a picture, and lays back over it, is what the graph does, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.data import decode
from kvision.data import preprocess as graph
from kvision_edge import manifest, preprocess, resize
from kvision_edge import pictures as decoded
from kvision_edge.preprocess import Preprocess
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path


def both(size_px: int = 64, fit: str = "resize") -> tuple[graph.Preprocess, Preprocess]:
    return graph.Preprocess(size_px, fit, tiny.MEAN, tiny.STD), Preprocess(manifest.Preprocess(size_px, fit, tiny.MEAN, tiny.STD))


def compiled(method: object, *specs: tf.TensorSpec) -> tf.types.experimental.GenericFunction:
    return tf.function(method, input_signature=specs)


PICTURE, SCORES, SCALAR = tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([64, 64, 5], tf.float32), tf.TensorSpec([], tf.int32)


def test_200_real_pictures_come_into_the_square_without_a_single_level_of_difference(pictures: dict[str, list[Path]]) -> None:
    pairs = [both(fit=fit) for fit in ("resize", "crop")]
    graphs = [compiled(lambda image, theirs=theirs: theirs.resize(image)[0], PICTURE) for theirs, _ in pairs]
    files = [path for paths in pictures.values() for path in paths]
    sizes, modes, largest = set(), set(), 0
    for path in files:
        image, expected = decoded.rgb(path), decode.rgb(path)
        np.testing.assert_array_equal(image, expected, err_msg=path.name)
        for (_, ours), place in zip(pairs, graphs, strict=True):
            largest = max(largest, int(np.abs(ours.place(image).astype(int) - place(expected).numpy()).max()))
        sizes.add(image.shape[:2])
        with Image.open(path) as opened:
            modes.add(opened.mode)
    assert len(files) == 200
    assert len(sizes) > 150
    assert {"L", "LA", "RGB", "RGBA", "CMYK", "P", "1", "F", "I;16"} <= modes
    assert largest == 0


@pytest.mark.parametrize("fit", ["resize", "crop"])
def test_scores_and_masks_laid_back_over_the_picture_equal_the_graphs(fit: str) -> None:
    theirs, ours = both(fit=fit)
    restore = compiled(theirs.restore, SCORES, SCALAR, SCALAR)
    random = np.random.default_rng(0)
    for number in range(25):
        height, width = (int(side) for side in random.integers(3, 300, 2))
        coarse = tf.image.resize(random.normal(0, 3, (8, 8, 5)).astype(np.float32), [64, 64])
        scores = tf.nn.softmax(coarse).numpy()
        expected = restore(scores, height, width).numpy()
        np.testing.assert_array_equal(ours.restore(scores, height, width), expected, err_msg=f"{number}: {height}x{width}")
        np.testing.assert_array_equal(ours.restore_classes(scores, height, width), expected.argmax(-1), err_msg=f"{number}: {height}x{width}")


def test_masks_of_huge_pictures_come_from_as_many_pixels_as_in_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = both()
    for module in (graph, preprocess):
        monkeypatch.setattr(module, "MOST_VALUES", 60_000)
    scores = np.random.default_rng(0).random((64, 64, 5)).astype(np.float32)
    expected = compiled(theirs.classes, SCORES, SCALAR, SCALAR)(scores, 251, 190).numpy()
    np.testing.assert_array_equal(ours.restore_classes(scores, 251, 190), expected)
    assert (expected != ours.restore(scores, 251, 190).argmax(-1)).any()


def test_every_level_is_normalised_as_in_the_graph() -> None:
    theirs, ours = both()
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_array_equal(ours.levels(), theirs.normalise(levels[None]).numpy()[0])


@pytest.mark.parametrize(("size", "wanted"), [((7, 5), (1, 1)), ((1, 1), (9, 4)), ((300, 2), (3, 64)), ((31, 31), (32, 30)), ((64, 48), (64, 48))])
def test_both_kinds_of_bilinear_equal_tensorflows_at_the_edges(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    np.testing.assert_array_equal(resize.antialiased(picture, *wanted), tf.image.resize(picture, wanted, antialias=True))
    np.testing.assert_array_equal(resize.interpolated(picture.astype(np.float32), *wanted), tf.image.resize(picture, wanted))


@pytest.mark.parametrize(("size", "wanted"), [((7, 5), (3, 11)), ((10, 10), (64, 3)), ((33, 47), (47, 33))])
def test_nearest_equals_tensorflow(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*size, 1), np.uint8)
    np.testing.assert_array_equal(resize.nearest(picture, *wanted), tf.image.resize(picture, wanted, "nearest").numpy())
