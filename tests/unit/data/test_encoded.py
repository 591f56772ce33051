from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kvision.data import encoded

PIXELS = np.asarray(Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)).resize((61, 37), Image.Resampling.BICUBIC))
ATTEMPT = tf.function(encoded.attempt, input_signature=[tf.TensorSpec([], tf.string)])


def file(kind: str, mode: str = "RGB", **options: object) -> bytes:
    made = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(made, kind, **options)
    return made.getvalue()


def pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        *[("JPEG", mode, {"quality": 90}) for mode in ("RGB", "L", "CMYK")],
        *[("JPEG", "RGB", {"quality": quality, "subsampling": kind}) for quality in (50, 100) for kind in (0, 1, 2)],
        ("JPEG", "RGB", {"progressive": True}),
        *[("PNG", mode, {}) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")],
        *[("BMP", mode, {}) for mode in ("RGB", "RGBA", "L", "P")],
        *[("WEBP", mode, {}) for mode in ("RGB", "RGBA")],
        ("GIF", "P", {}),
        ("GIF", "P", {"save_all": True, "append_images": [Image.fromarray(255 - PIXELS).convert("P")]}),
    ],
)
def test_the_pixels_are_pillows(kind, mode, options):
    data = file(kind, mode, **options)
    image, ok = ATTEMPT(data)
    assert ok
    np.testing.assert_array_equal(image, pillow(data))


def test_sixteen_bits_lose_the_lower_eight():
    made = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16)).save(made, "PNG")
    assert ATTEMPT(made.getvalue())[0][0, :, 0].numpy().tolist() == [0, 0, 1, 255]


def test_pictures_are_turned_upright():
    tags = Image.Exif()
    tags[0x0112] = 6
    data = file("JPEG", exif=tags)
    np.testing.assert_array_equal(ATTEMPT(data)[0], pillow(data))
    assert tuple(encoded.stored(tf.constant(data)).shape) == PIXELS.shape


def test_what_is_no_picture_is_not_ok():
    whole = {kind: file(kind) for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP")}
    bad = [b"", b"hello", *(data[: len(data) // 2] for data in whole.values()), *(data[:4] for data in whole.values())]
    for data in bad:
        image, ok = ATTEMPT(data)
        assert not ok
        assert image.shape == (1, 1, 3)


def test_bombs_are_not_decoded():
    def claiming(kind: str, at: int, sizes: bytes, **options: object) -> bytes:
        data = bytearray(file(kind, **options))
        data[at : at + len(sizes)] = sizes
        return bytes(data)

    jpeg = file("JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    bombs = [
        claiming("PNG", 16, struct.pack(">II", 2**31 - 1, 2**31 - 1)),
        claiming("JPEG", frame, struct.pack(">HH", 65500, 65500)),
        claiming("GIF", 6, struct.pack("<HH", 65500, 65500)),
        claiming("BMP", 18, struct.pack("<ii", 40_000, -40_000)),
        claiming("WEBP", 26, struct.pack("<HH", 16383, 16383)),
        claiming("WEBP", 21, struct.pack("<I", 2**28 - 1), lossless=True),
    ]
    for data in bombs:
        assert encoded.claimed_px(tf.constant(data)) > encoded.MOST_PX
        assert not ATTEMPT(data)[1]
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        assert encoded.claimed_px(tf.constant(file(kind))) == 61 * 37
