"""What the first bytes of an image file say: type, size, sample layout, EXIF rotation. Nothing is decoded, so a bomb does no harm.

References:
    PNG (W3C, 2003), sections 5 and 11; JPEG ITU T.81, annex B; EXIF 2.3, tag 0x0112; GIF89a; Windows BMP; RFC 9649 (WebP).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

if TYPE_CHECKING:
    from pathlib import Path

FileType = Literal["JPEG", "PNG", "BMP", "GIF", "WebP"]

SUFFIXES: dict[str, FileType] = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF", ".webp": "WebP"}
"""File name endings, in lower case, of the types that can be read."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_EXIF = 1 << 16
"""Bytes of EXIF data that are looked at, whatever a chunk says of its length; in JPEG there can't be more."""
_FOREIGN = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"<svg": "SVG",
    b"\x76\x2f\x31\x01": "OpenEXR",
}


class HeaderError(Exception):
    """The bytes are not those of an image that can be read; `kind` is the fault's name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Header:
    """The facts of one image file.

    Attributes:
        type: File type by content, whatever the name says.
        width: Stored columns, pixels.
        height: Stored rows, pixels.
        orientation: EXIF orientation 1..8; from 5 on, width and height are exchanged for display.
        colour: PNG colour type: 0 grey, 2 RGB, 3 indexed, 4 grey with alpha, 6 RGBA; -1 for other types.
        depth: PNG bits a sample: 1, 2, 4, 8, 16; 8 for other types.
        prefix: For an indexed PNG, its beginning rewritten as that of a grey one, so that decoding gives indices and not colours.
        start: For an indexed PNG, the byte at which the pixels begin, which `prefix` is to be followed by.
    """

    type: FileType
    width: int
    height: int
    orientation: int = 1
    colour: int = -1
    depth: int = 8
    prefix: bytes = b""
    start: int = 0

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(path: Path) -> Header:
    """Reads the beginning of a file.

    Args:
        path: The file.

    Returns:
        Its facts.

    Raises:
        HeaderError: Zero bytes, not an image, a type or layout that can't be read, or an end before the header is complete.
    """
    try:
        with path.open("rb") as file:
            return parse_header(file)
    except OSError as error:
        raise HeaderError("unreadable", error.strerror or str(error)) from error
    except ValueError as error:  # a name that no file can have
        raise HeaderError("unreadable", str(error)) from error


def parse_header(file: BinaryIO) -> Header:
    """As `read_header`, of an open file or of bytes in memory."""
    try:
        return _parse(file)
    except (struct.error, IndexError) as error:
        raise HeaderError("truncated", "the file ends within its header") from error


def _parse(file: BinaryIO) -> Header:
    head = file.read(64)
    if not head:
        raise HeaderError("zero-byte", "the file is empty (zero bytes)")
    if head.startswith(_PNG):
        header = _png(file)
    elif head.startswith(b"\xff\xd8\xff"):
        header = _jpeg(file)
    elif head[:6] in {b"GIF87a", b"GIF89a"}:
        header = Header("GIF", *struct.unpack_from("<HH", head, 6))
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        header = _webp(file, head)
    elif head[:2] == b"BM":
        header = _bmp(file, head)
    else:
        foreign = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), "HEIF or AVIF" if head[4:8] == b"ftyp" else "")
        if foreign:
            raise HeaderError("unsupported", f"a {foreign} file; JPEG, PNG, BMP, GIF and WebP can be read")
        raise HeaderError("not-an-image", f"not an image: it begins with {head[:8]!r}")
    if header.width < 1 or header.height < 1:
        raise HeaderError("not-an-image", f"its size is {header.width}x{header.height} px")
    return header


def _png(file: BinaryIO) -> Header:
    file.seek(8)
    length, kind = struct.unpack(">I4s", file.read(8))
    if kind != b"IHDR" or length != 13:
        raise HeaderError("not-an-image", "a PNG that does not begin with its header chunk")
    body = file.read(17)
    width, height, depth, colour = struct.unpack_from(">IIBB", body)
    if struct.unpack_from(">I", body, 13)[0] != zlib.crc32(b"IHDR" + body[:13]):
        raise HeaderError("corrupt", "the checksum of its PNG header is wrong")
    if colour != 3:
        return Header("PNG", width, height, _png_orientation(file), colour, depth)
    orientation = 1
    while True:  # leave out the palette and everything else before the pixels
        start = file.tell()
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IDAT":
            break
        if kind == b"eXIf":
            taken = file.read(min(length, _MOST_EXIF))
            orientation = _tiff_orientation(taken)
            length -= len(taken)
        file.seek(length + 4, 1)
    grey = b"IHDR" + body[:9] + b"\0" + body[10:13]
    prefix = _PNG + struct.pack(">I", 13) + grey + struct.pack(">I", zlib.crc32(grey))
    return Header("PNG", width, height, orientation, colour, depth, prefix, start)


def _png_orientation(file: BinaryIO) -> int:
    """Orientation from an eXIf chunk before the pixels; 1 when there is none."""
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return _tiff_orientation(file.read(min(length, _MOST_EXIF)))
        if kind in {b"IDAT", b"IEND"}:
            break
        file.seek(length + 4, 1)
    return 1


def _jpeg(file: BinaryIO) -> Header:
    file.seek(2)
    orientation = 1
    while True:
        marker = file.read(1)
        while marker and marker != b"\xff":
            marker = file.read(1)
        while marker == b"\xff":
            marker = file.read(1)
        code = marker[0]
        if 0xD0 <= code <= 0xD8 or code == 0x01:
            continue
        if code in {0xD9, 0xDA}:
            raise HeaderError("corrupt", "a JPEG without a frame header")
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= code <= 0xCF and code not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">xHH", file.read(5))
            return Header("JPEG", width, height, orientation)
        if length < 2:
            raise HeaderError("corrupt", f"a JPEG with a segment of {length} bytes")
        segment = file.read(length - 2)
        if code == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = _tiff_orientation(segment[6:])


def _tiff_orientation(tiff: bytes) -> int:
    """Tag 0x0112 of the first directory; 1 when absent or broken."""
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        pass
    return 1


def _webp(file: BinaryIO, head: bytes) -> Header:
    kind, orientation = head[12:16], 1
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        orientation = _webp_orientation(file)
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", head, 26))
    else:
        raise HeaderError("corrupt", f"a WebP with an unknown chunk {kind!r}")
    return Header("WebP", width, height, orientation)


def _webp_orientation(file: BinaryIO) -> int:
    """Orientation from the EXIF chunk of an extended WebP; 1 when there is none."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            return _tiff_orientation(file.read(min(length, _MOST_EXIF)).removeprefix(b"Exif\0\0"))
        file.seek(length + length % 2, 1)
    return 1


def _bmp(file: BinaryIO, head: bytes) -> Header:
    size, width, height = struct.unpack_from("<Iii", head, 14)
    bits, compression = struct.unpack_from("<HI", head, 28)
    if size < 40 or bits not in {8, 24, 32} or compression not in {0, 3}:
        raise HeaderError(
            "unsupported", f"a BMP of {bits} bits a pixel, compression {compression}; plain 8 (grey), 24 and 32 can be read; save it as PNG"
        )
    if bits == 8:
        file.seek(14 + size)
        length = struct.unpack_from("<I", head, 10)[0] - 14 - size
        table = file.read(min(max(length, 0), 4 * 256))
        if any(table[4 * k : 4 * k + 3] != bytes((k, k, k)) for k in range(len(table) // 4)):
            raise HeaderError("unsupported", "a BMP with a colour table; save it as PNG")
    return Header("BMP", width, abs(height))
