from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kvision.core.errors import DataError
from kvision.data import decode

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P"])
def test_modes_of_png(tmp_path, mode):
    picture = Image.fromarray(PIXELS).convert(mode)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode.rgb(tmp_path / "a.png"), np.asarray(picture.convert("RGB")))


def test_transparency_is_dropped_not_blended(tmp_path):
    Image.fromarray(np.dstack([PIXELS, np.zeros((6, 9), np.uint8)])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode.rgb(tmp_path / "a.png"), PIXELS)


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert decode.rgb(tmp_path / "a.png")[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floats(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "a.tiff")
    assert decode.rgb(tmp_path / "a.tiff")[0, :, 2].tolist() == [0, 128, 255]


def test_cmyk_is_not_inverted(tmp_path):
    Image.new("RGB", (8, 8), (250, 20, 20)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(decode.rgb(tmp_path / "a.jpg").astype(int) - [250, 20, 20]).max() < 12


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode.rgb(tmp_path / "a.png"), np.rot90(PIXELS, -1))


def test_faulty_files_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(PIXELS.repeat(40, 0).repeat(40, 1)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:700])
    for name, message in [("empty.png", "0 bytes"), ("text.png", "not a picture"), ("cut.png", "can't be read"), ("none.png", "can't be read")]:
        with pytest.raises(DataError, match=rf"{name}: .*{message}"):
            decode.rgb(tmp_path / name)


def test_a_decompression_bomb(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    honest = (tmp_path / "a.png").read_bytes()
    head = b"IHDR" + struct.pack(">II", 100_000, 100_000) + honest[24:29]
    (tmp_path / "a.png").write_bytes(honest[:12] + head + struct.pack(">I", zlib.crc32(head)) + honest[33:])
    with pytest.raises(DataError, match=r"a\.png: is far too large"):
        decode.rgb(tmp_path / "a.png")


def test_what_only_pillow_reads(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(decode.rgb(tmp_path / "a.tiff"), PIXELS)
