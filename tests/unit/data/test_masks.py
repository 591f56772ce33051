from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.data.headers import read_header
from kvision.data.masks import OUTSIDE, Codec, between_classes, ghosts, judge
from tests.unit.data.folders import COLOURS, coloured, indexed, picture

MASK = picture(3)[1]


def decode(path, codec):
    header = read_header(path)
    samples = codec.samples(tf.constant(path.read_bytes()), codec.layout(header))
    return samples.numpy(), codec.classes(samples).numpy()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_indices_of_an_indexed_png_and_not_its_colours(tmp_path, bits):
    indexed(MASK, [7, 7, 7] * 2**bits).save(tmp_path / "m.png", bits=bits, transparency=0)
    samples, classes = decode(tmp_path / "m.png", Codec(3, None, 255, None))
    np.testing.assert_array_equal(samples, MASK)
    np.testing.assert_array_equal(classes, MASK)


@pytest.mark.parametrize("deep", [False, True])
def test_one_bit_and_grey(tmp_path, deep):
    codec = Codec(3, None, 255, None, deep=deep)
    Image.fromarray(MASK == 1).save(tmp_path / "one.png")
    np.testing.assert_array_equal(decode(tmp_path / "one.png", codec)[1], MASK == 1)
    Image.fromarray(MASK).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(decode(tmp_path / "grey.png", codec)[1], MASK)
    Image.merge("LA", [Image.fromarray(MASK), Image.fromarray(MASK * 90)]).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(decode(tmp_path / "alpha.png", codec)[1], MASK)


def test_sixteen_bits(tmp_path):
    Image.fromarray(MASK.astype(np.uint16) * 1000).save(tmp_path / "m.png")
    codec = Codec(3, {0: 0, 1000: 1, 2000: 2}, None, None, deep=True)
    np.testing.assert_array_equal(decode(tmp_path / "m.png", codec)[1], MASK)


def test_value_map_ignore_and_outside(tmp_path):
    Image.fromarray(np.array([[0, 255, 7, 9]], np.uint8)).save(tmp_path / "m.png")
    assert decode(tmp_path / "m.png", Codec(2, {0: 0, 255: 1, 7: 255}, 255, None))[1].tolist() == [[0, 1, 255, OUTSIDE]]
    assert decode(tmp_path / "m.png", Codec(8, None, 255, None))[1].tolist() == [[0, 255, 7, OUTSIDE]]
    assert decode(tmp_path / "m.png", Codec(8, None, None, None))[1].tolist() == [[0, OUTSIDE, 7, OUTSIDE]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours(tmp_path, mode):
    Image.fromarray(coloured(MASK)).convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / "m.png")
    colours = {colour: k for k, colour in enumerate(COLOURS.values())}
    np.testing.assert_array_equal(decode(tmp_path / "m.png", Codec(3, None, 255, colours))[1], MASK)
    del colours[COLOURS["tree"]]
    np.testing.assert_array_equal(decode(tmp_path / "m.png", Codec(2, None, 255, colours))[1] == OUTSIDE, MASK == 2)


def test_judge_names_values_and_recognises_0_255():
    samples = np.array([[0, 1, 7]], np.uint8)
    fault = judge(samples, np.array([[0, 1, OUTSIDE]]), "0..1")
    assert fault.kind == "mask-values"
    assert "1 of 3 pixels have values outside the classes: 7; accepted: 0..1" in fault.message
    fault = judge(np.array([[0, 255]], np.uint8), np.array([[0, OUTSIDE]]), "0..1")
    assert fault.kind == "mask-0-255"
    fault = judge(np.array([[[9, 8, 7]]], np.uint8), np.array([[OUTSIDE]]), "a [0, 0, 0]")
    assert (fault.kind, "[9, 8, 7]" in fault.message) == ("mask-colours", True)
    assert judge(samples, samples, "0..7") is None


@pytest.mark.parametrize("size", [(20, 15), (64, 48), (45, 31)])
def test_resized_masks_are_recognised_and_wrong_ones_are_not(size):
    grey = np.asarray(Image.fromarray((MASK == 1).astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
    assert between_classes(grey, (grey != 0) & (grey != 255))
    rgb = np.asarray(Image.fromarray(coloured(MASK)).resize(size, Image.Resampling.BICUBIC))
    known = (rgb[:, :, None] == np.array(list(COLOURS.values()))).all(-1).any(-1)
    assert between_classes(rgb, ~known)
    solid = MASK.copy()
    solid[5:9, 5:25] = 40
    solid[12:16, 5:25] = 41
    solid[18:22, 5:25] = 42
    assert not between_classes(solid, solid > 2)


def test_ghosts_are_classes_that_are_only_seams():
    two = (MASK == 1).astype(np.uint8) * 2
    blurred = np.asarray(Image.fromarray(two).resize((64, 48), Image.Resampling.BILINEAR))
    assert ghosts(blurred) == [1]
    assert ghosts(MASK) == []
    assert ghosts(two) == []
