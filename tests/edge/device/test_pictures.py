"""Pictures that can't be read are named, whatever is wrong with them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kvision_edge import pictures
from kvision_edge.errors import PictureError

if TYPE_CHECKING:
    from pathlib import Path


def encoded(form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(file, form)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"no picture at all", "is not a picture that can be read; use JPEG"),
        (encoded()[:300], "can't be read"),
        (encoded("JPEG")[:300], "can't be read"),
        (bomb(), "far too large"),
    ],
    ids=["empty", "text", "cut png", "cut jpeg", "bomb"],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=rf"bad\.png: .*{said}"):
        pictures.rgb(path)
    with pytest.raises(PictureError, match=said):
        pictures.rgb(content)


def test_paths_bytes_images_and_arrays_are_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded())
    expected = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    with Image.open(tmp_path / "a.png") as opened:
        for given in (tmp_path / "a.png", str(tmp_path / "a.png"), encoded(), opened, expected):
            np.testing.assert_array_equal(pictures.rgb(given), expected)
    np.testing.assert_array_equal(pictures.rgb(expected[..., 0]), np.repeat(expected[..., :1], 3, axis=-1))


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)])
def test_arrays_that_are_no_pictures_say_what_is_taken(array: np.ndarray) -> None:
    with pytest.raises(PictureError, match=r"give uint8 \[H, W, 3\]"):
        pictures.rgb(array)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(PictureError, match=r"nowhere\.jpg: can't be read .*No such file"):
        pictures.rgb("nowhere.jpg")


def test_mutated_pictures_are_read_or_refused(tmp_path: Path) -> None:
    random, read, refused = np.random.default_rng(0), 0, 0
    originals = [encoded(form) for form in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")]
    for number in range(300):
        content = bytearray(originals[number % len(originals)])
        for place in random.integers(0, min(len(content), 400), 3):
            content[place] = random.integers(0, 256)
        try:
            assert pictures.rgb(bytes(content)).dtype == np.uint8
            read += 1
        except PictureError:
            refused += 1
    assert read > 20
    assert refused > 20
