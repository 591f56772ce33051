"""Pairs of an image and its mask: finding and splitting them, and whether their types, sizes and orientations go together. Nothing is decoded.

A pair's key is the image's path within its folder, without the ending; its mask has the same key, or the key with `_mask` or `_gt` behind.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kvision.core.errors import DataError
from kvision.data import files
from kvision.data.faults import Fault
from kvision.data.headers import SUFFIXES, Header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MASK_SUFFIXES = ("_mask", "_gt")
Exif = Literal["ignore", "apply"]


@dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        key: What they have in common; splits go by it.
        name: The image's path within the data set's folder.
        image: The image's file.
        mask: The mask's file.
        mask_name: The mask's path within the data set's folder.
    """

    key: str
    name: str
    image: Path
    mask: Path
    mask_name: str


@dataclass(frozen=True)
class Entry:
    """A pair whose headers could be read and go together."""

    pair: Pair
    image: Header
    mask: Header


def find_pairs(root: Path, images: Path, masks: Path) -> tuple[list[Pair], list[Fault]]:
    """Pairs the images below one folder with the masks below another.

    Args:
        root: The data set's folder, which names are relative to.
        images: Folder of the images.
        masks: Folder of the masks; the same one if the masks' names end in `_mask` or `_gt`.

    Returns:
        The pairs in the order of their keys, and the faults of files that have no partner or more than one.

    Raises:
        DataError: If there is no image at all.
    """
    faults: list[Fault] = []
    image_files = _by_key(images, faults, root, lambda file: _belongs_to_other(file, images, masks, _is_mask(file)))
    mask_files = _by_key(masks, faults, root, lambda file: _belongs_to_other(file, masks, images, not _is_mask(file)))
    if not image_files and not faults:
        raise DataError(f"{images} holds no images (JPEG, PNG, BMP, GIF or WebP){_instead(images)}")
    pairs, used = [], set()
    for key in sorted(image_files):
        found = [name for name in (key, *(key + suffix for suffix in MASK_SUFFIXES)) if name in mask_files]
        used.update(found)
        partners = [file for name in found for file in mask_files[name]]
        names = [files.name_within(file, root) for file in image_files[key]]
        if len(names) > 1:
            faults.append(Fault("duplicate-stem", tuple(names), "several images of one name"))
        elif len(partners) > 1:
            faults.append(Fault("duplicate-stem", tuple(files.name_within(file, root) for file in partners), f"several masks for {names[0]}"))
        elif not partners:
            faults.append(Fault("missing-mask", (names[0],), f"there is no mask {key}.png in {files.name_within(masks, root)}"))
        else:
            pairs.append(Pair(key, names[0], image_files[key][0], partners[0], files.name_within(partners[0], root)))
    for key in sorted(mask_files.keys() - used):
        faults += [
            Fault("extra-mask", (files.name_within(file, root),), f"there is no image of this name in {files.name_within(images, root)}")
            for file in mask_files[key]
        ]
    return pairs, faults


def _belongs_to_other(file: Path, own: Path, other: Path, by_name: bool) -> bool:
    """Whether a file found below `own` is one of the other kind: by its name when both share a folder, by its place when one holds the other."""
    if own.resolve() == other.resolve():
        return by_name
    return other.is_relative_to(own) and file.is_relative_to(other)


def _is_mask(file: Path) -> bool:
    return file.stem.endswith(MASK_SUFFIXES)


def _by_key(top: Path, faults: list[Fault], root: Path, leave_out: Callable[[Path], bool]) -> dict[str, list[Path]]:
    """The image files below a folder by key; files of picture types that can't be read are faults, all others are no concern of ours."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(top.rglob("*")):
        inside = file.relative_to(top)
        if any(part.startswith(".") for part in inside.parts) or leave_out(file) or not file.is_file():
            continue
        if file.suffix.lower() in SUFFIXES:
            found[inside.with_suffix("").as_posix()].append(file)
        elif (fault := files.fault_of_foreign(file, files.name_within(file, root))) is not None:
            faults.append(fault)
    return found


def _instead(top: Path) -> str:
    """What an empty-looking folder holds."""
    endings = Counter(file.suffix or "no ending" for file in top.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not endings:
        return "; it is empty"
    return f"; it holds {', '.join(f'{count} files with {ending}' for ending, count in endings.most_common(3))}"


def in_val(key: str, share: float) -> bool:
    """Whether a key falls into the validation split: by its hash alone, so that adding files never moves an old one."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") < share * 2.0**64


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
        header, found = files.header(path, name, max_pixels)
        faults += found
        headers += [header] if header is not None else []
    if len(headers) < 2:
        return None, faults
    faults += _compare(pair, headers[0], headers[1], exif)
    return (None if any(fault.stops for fault in faults) else Entry(pair, headers[0], headers[1])), faults


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
