"""Pairs with their headers: whether image and mask are of types, sizes and orientations that go together. Nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kvision.data.files import FAULTS, Fault, Pair
from kvision.data.headers import SUFFIXES, Header, HeaderError, read_header

if TYPE_CHECKING:
    from pathlib import Path

Exif = Literal["ignore", "apply"]


@dataclass(frozen=True)
class Entry:
    """A pair whose headers could be read and go together."""

    pair: Pair
    image: Header
    mask: Header


def head(path: Path, name: str, max_pixels: int) -> tuple[Header | None, list[Fault]]:
    """Reads the header of one picture.

    Args:
        path: The file.
        name: What to call it.
        max_pixels: More pixels than this are taken for a decompression bomb.

    Returns:
        The header, or none when a fault makes the picture useless; and the faults.
    """
    try:
        header = read_header(path)
    except HeaderError as error:
        missing = error.kind == "unreadable" and not path.exists()
        return None, [Fault("missing-file" if missing else error.kind, (name,), "there is no such file" if missing else str(error))]
    if header.pixels > max_pixels:
        return None, [Fault("bomb", (name,), f"{header.width}x{header.height} px are more than data.max_pixels={max_pixels}")]
    told = SUFFIXES.get(path.suffix.lower()) == header.type
    return header, [] if told else [Fault("extension", (name,), f"a {header.type} file by its content")]


def read_entry(pair: Pair, *, max_pixels: int, exif: Exif) -> tuple[Entry | None, list[Fault]]:
    """Reads both headers of a pair.

    Args:
        pair: The files.
        max_pixels: More pixels than this are taken for a decompression bomb.
        exif: Whether images will be turned as their EXIF orientation says.

    Returns:
        The entry, or none when a fault makes the pair useless; and the faults.
    """
    headers, faults = [], []
    for path, name in ((pair.image, pair.name), (pair.mask, pair.mask_name)):
        header, found = head(path, name, max_pixels)
        faults += found
        headers += [header] if header is not None else []
    if len(headers) < 2:
        return None, faults
    faults += _compare(pair, headers[0], headers[1], exif)
    return (None if any(FAULTS[fault.kind].stops for fault in faults) else Entry(pair, headers[0], headers[1])), faults


def _compare(pair: Pair, image: Header, mask: Header, exif: Exif) -> list[Fault]:
    """What does not go together: the mask's type, the sizes, the orientation."""
    if mask.type != "PNG":
        return [Fault("mask-format", (pair.mask_name,), f"the mask is a {mask.type} file")]
    turned = image.orientation >= 5
    shown = (image.height, image.width) if turned and exif == "apply" else (image.width, image.height)
    if shown == (mask.width, mask.height):
        ignored = image.orientation > 1 and exif == "ignore"
        return [Fault("exif-ignored", (pair.name,), f"its EXIF orientation {image.orientation} is not applied")] if ignored else []
    sizes = f"the image is {shown[0]}x{shown[1]} px, the mask {mask.width}x{mask.height} px"
    if turned and shown == (mask.height, mask.width):
        words = f"{sizes}, and the image's EXIF orientation {image.orientation} exchanges width and height"
        return [Fault("exif-rotation", (pair.name, pair.mask_name), words)]
    return [Fault("size", (pair.name, pair.mask_name), sizes)]
