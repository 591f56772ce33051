from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kvision.ops import exif

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
ORIENTATION = tf.function(exif.orientation, input_signature=[tf.TensorSpec([], tf.string)])


def tagged(orientation: int, kind: str, order: str = "<") -> bytes:
    """A picture with some other tags before the one looked for."""
    tags = Image.Exif()
    tags.endian = order
    tags[0x010E], tags[0x010F], tags[0x0112] = "a picture", "a maker", orientation
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, exif=tags)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_in_all_containers(orientation):
    for kind in ("JPEG", "PNG", "WEBP"):
        assert ORIENTATION(tagged(orientation, kind)) == orientation
    with Image.open(io.BytesIO(tagged(orientation, "PNG"))) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(tf.function(exif.upright)(tf.constant(PIXELS), tf.constant(orientation)), expected)


def test_either_byte_order():
    little = tagged(6, "JPEG")
    at = little.index(b"II*\0")
    big = b"MM\0*" + b"\0\0\0\x08" + b"\0\x01" + b"\x01\x12" + b"\0\x03" + b"\0\0\0\x01" + b"\0\x07\0\0" + b"\0\0\0\0"
    assert ORIENTATION(little) == 6
    assert ORIENTATION(little[:at] + big + little[at + len(big) :]) == 7


def test_other_segments_are_passed_over():
    plain = tagged(3, "JPEG")
    filler = b"\xff\xe1\x00\x0ahttp://\0" + b"\xff\xff\xfe\x00\x04hi"
    assert ORIENTATION(plain[:2] + filler + plain[2:]) == 3


def test_without_a_word_it_is_upright():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG")
    for data in (file.getvalue(), b"", b"\xff", b"\xff\xd8", b"no picture at all", tagged(9, "JPEG"), b"RIFF\0\0\0\0WEBPVP8 \xff\xff\xff\xff"):
        assert ORIENTATION(data) == 1


def test_damage_never_fails():
    draw = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = tagged(8, kind)
        for _ in range(60):
            broken = bytearray(whole[: draw.integers(1, len(whole))])
            for place in draw.integers(0, len(broken), 4):
                broken[place] = draw.integers(256)
            assert 1 <= ORIENTATION(bytes(broken)) <= 8
