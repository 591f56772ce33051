from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kvision.data.headers import HeaderError, read_header

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 11, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "mode", "options", "kind"),
    [
        ("a.jpg", "RGB", {}, "JPEG"),
        ("a.jpg", "RGB", {"progressive": True, "quality": 30}, "JPEG"),
        ("a.jpg", "CMYK", {}, "JPEG"),
        ("a.png", "RGBA", {}, "PNG"),
        ("a.png", "P", {"bits": 8}, "PNG"),
        ("a.gif", "P", {}, "GIF"),
        ("a.bmp", "RGB", {}, "BMP"),
        ("a.bmp", "L", {}, "BMP"),
        ("a.webp", "RGB", {}, "WebP"),
        ("a.webp", "RGB", {"lossless": True}, "WebP"),
        ("a.webp", "RGBA", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}, "WebP"),
    ],
)
def test_type_and_size_are_those_pillow_wrote(tmp_path, name, mode, options, kind):
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / name, **options)
    header = read_header(tmp_path / name)
    assert (header.type, header.width, header.height) == (kind, 11, 7)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("a.png", "RGB"), ("a.png", "P"), ("a.webp", "RGB"), ("a.webp", "RGBA")])
def test_exif_orientation(tmp_path, orientation, name, mode):
    exif = Image.Exif()
    exif[0x010F] = "a camera's name, so that the tag is not the first"
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / name, exif=exif)
    assert read_header(tmp_path / name).orientation == orientation


@pytest.mark.parametrize(("bits", "depth"), [(1, 1), (2, 2), (4, 4), (8, 8)])
def test_png_depth_and_colour(tmp_path, bits, depth):
    picture = Image.frombytes("P", (4, 2), bytes(8))
    picture.putpalette([1, 2, 3] * 2**bits)
    picture.save(tmp_path / "a.png", bits=bits)
    header = read_header(tmp_path / "a.png")
    assert (header.depth, header.colour) == (depth, 3)
    assert header.prefix[:8] == b"\x89PNG\r\n\x1a\n"
    assert header.prefix[25] == 0
    assert (tmp_path / "a.png").read_bytes()[header.start + 4 : header.start + 8] == b"IDAT"


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "zero-byte", "empty"),
        (b"<html>404 not found</html>", "not-an-image", "begins with b'<html>40'"),
        (b"II*\0" + bytes(40), "unsupported", "TIFF"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "unsupported", "HEIF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "truncated", "header"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17), "corrupt", "checksum"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "truncated", "header"),
        (b"\xff\xd8\xff\xda\0\x04\0\0", "corrupt", "frame header"),
        (b"GIF89a", "truncated", "header"),
        (b"GIF89a\0\0\0\0" + bytes(20), "not-an-image", "0x0"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path, content, kind, words):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(HeaderError, match=words) as caught:
        read_header(tmp_path / "a.png")
    assert caught.value.kind == kind


def test_bmp_with_a_colour_table_is_refused_but_grey_is_not(tmp_path):
    picture = Image.frombytes("P", (4, 2), bytes(8))
    picture.putpalette([9, 8, 7] * 256)
    picture.save(tmp_path / "p.bmp")
    with pytest.raises(HeaderError, match="colour table"):
        read_header(tmp_path / "p.bmp")
    Image.fromarray(PIXELS[..., 0] > 100).save(tmp_path / "one.bmp")
    with pytest.raises(HeaderError, match="BMP of 1 bits"):
        read_header(tmp_path / "one.bmp")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(HeaderError, match="No such file") as caught:
        read_header(tmp_path / "none.png")
    assert caught.value.kind == "unreadable"
