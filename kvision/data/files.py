"""Folders of images and masks: finding the pairs, splitting them, and the faults of files, in words.

A pair's key is the image's path within its folder, without the ending; its mask has the same key, or the key with `_mask` or `_gt` behind.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data.headers import SUFFIXES, HeaderError, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Item = TypeVar("Item")
Result = TypeVar("Result")

MASK_SUFFIXES = ("_mask", "_gt")
_FOREIGN = frozenset({".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".svg", ".exr", ".tga", ".psd", ".npy"})
_THREADS = 16


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        severity: An error spoils training or evaluation; a warning is worth a look.
        stops: Whether `on_error: stop` refuses to train because of it.
        fix: What to do.
    """

    severity: Literal["error", "warning"]
    stops: bool
    fix: str


FAULTS: dict[str, FaultKind] = {
    "missing-mask": FaultKind("error", True, "give each image a mask of the same name (or name_mask, name_gt), or set data.on_error: skip"),
    "extra-mask": FaultKind("error", False, "add the image of the same name, or remove the mask"),
    "duplicate-stem": FaultKind("error", True, "rename one of them: images and masks are paired by name without the ending"),
    "zero-byte": FaultKind("error", True, "copy the file again, or remove it"),
    "not-an-image": FaultKind("error", True, "remove it, or replace it by the image it should be"),
    "unreadable": FaultKind("error", True, "mend the file's permissions, or remove it"),
    "truncated": FaultKind("error", True, "copy the file again, or remove it"),
    "corrupt": FaultKind("error", True, "copy the file again, or remove it"),
    "unsupported": FaultKind("error", True, "convert it to PNG"),
    "bomb": FaultKind("error", True, "scale it down, or raise data.max_pixels"),
    "extension": FaultKind("warning", False, "rename it after its content; it is read by its content meanwhile"),
    "size": FaultKind("error", True, "give image and mask the same width and height"),
    "exif-rotation": FaultKind("error", True, "set data.exif: apply, if the masks were drawn on the rotated images"),
    "exif-ignored": FaultKind("warning", False, "set data.exif: apply, if these images should be trained on upright"),
    "mask-format": FaultKind("error", True, "store masks as PNG; JPEG changes the values, so draw or export them anew"),
    "mask-in-colour": FaultKind("error", True, "say which colour is which class under data.colours: {background: [0, 0, 0], ...}"),
    "mask-0-255": FaultKind("error", True, "add one line under data:  mask_values: {0: 0, 255: 1}"),
    "mask-values": FaultKind("error", True, "mend the masks, raise data.classes, or say which value is which class by data.mask_values"),
    "mask-colours": FaultKind("error", True, "mend the masks, or add the colours to data.colours"),
    "interpolated": FaultKind("error", True, "make the masks anew: resize with nearest neighbour and store as PNG"),
    "seam-class": FaultKind("warning", False, "look whether these masks were resized with interpolation; make them anew with nearest neighbour"),
    "empty-class": FaultKind("error", False, "add examples of the class, remove it from data.classes, or mend data.mask_values"),
    "not-validated": FaultKind("warning", False, "move an example of the class to the validation split"),
    "all-background": FaultKind("warning", False, "look whether the masks are finished"),
    "all-ignored": FaultKind("warning", False, "remove them, or mend data.ignore_value"),
    "two-splits": FaultKind("error", False, "keep the picture in one split only, else the validation result is too good"),
    "two-labels": FaultKind("error", False, "look at the picture, and keep it under the right label only"),
    "same-picture": FaultKind("warning", False, "remove the copies"),
    "listed-twice": FaultKind("error", True, "keep one line for each picture; several labels of one stand in one line, with data.separator between"),
    "no-label": FaultKind("error", True, "give it a label, or remove the line"),
    "missing-file": FaultKind("error", True, "copy the file there, or remove it from the list; data.path is the folder that names are relative to"),
    "bad-annotation": FaultKind("error", True, "mend it, or remove it together with its picture"),
    "no-box": FaultKind("warning", False, "set data.target: classes, if pictures of none of the classes should count; it is left out meanwhile"),
    "no-class": FaultKind("warning", False, "move it into the folder of its class; it is left out meanwhile"),
    "no-suffix": FaultKind("warning", False, "give its name the right ending; it is left out meanwhile"),
    "empty-folder": FaultKind("error", True, "put pictures of the class into it, or remove the folder"),
    "untrained-class": FaultKind("error", True, "put pictures of the class into the training split, or remove it from the others"),
    "no-example": FaultKind("error", False, "add examples of the class, or remove it from data.classes"),
    "not-in-val": FaultKind("warning", False, "add examples of the class, so that the validation split can have one"),
    "skewed": FaultKind("warning", False, "set data.balance: true or weights of the classes, and look at the metrics of each class"),
}
"""Everything that can be wrong with a data set, by name."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one file, or with a few that belong together."""

    kind: str
    files: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return f"{' and '.join(self.files)}: {self.message}"


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


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
    """The results of `work`, in the order of the items; file reading waits, so there are more threads than cores."""
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(work, items)


def folder(path: Path, option: str) -> Path:
    """The path, if it is a folder; else a `DataError` that says what is there instead."""
    if path.is_dir():
        return path
    if path.is_file():
        raise DataError(f"{option}: {path} is a file; give the folder that holds the files")
    above = path.parent
    while not above.is_dir():
        above = above.parent
    siblings = sorted(child.name for child in above.iterdir() if child.is_dir() and not child.name.startswith("."))
    missing = path.relative_to(above).parts[0]
    there = f"{above} holds the folders {', '.join(siblings[:8])}" if siblings else f"{above} holds no folders"
    raise DataError(f"{option}: there is no folder {path}; {there}{did_you_mean(missing, siblings)}")


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
        names = [_name(file, root) for file in image_files[key]]
        if len(names) > 1:
            faults.append(Fault("duplicate-stem", tuple(names), "several images of one name"))
        elif len(partners) > 1:
            faults.append(Fault("duplicate-stem", tuple(_name(file, root) for file in partners), f"several masks for {names[0]}"))
        elif not partners:
            faults.append(Fault("missing-mask", (names[0],), f"there is no mask {key}.png in {_name(masks, root)}"))
        else:
            pairs.append(Pair(key, names[0], image_files[key][0], partners[0], _name(partners[0], root)))
    for key in sorted(mask_files.keys() - used):
        faults += [Fault("extra-mask", (_name(file, root),), f"there is no image of this name in {_name(images, root)}") for file in mask_files[key]]
    return pairs, faults


def _belongs_to_other(file: Path, own: Path, other: Path, by_name: bool) -> bool:
    """Whether a file found below `own` is one of the other kind: by its name when both share a folder, by its place when one holds the other."""
    if own.resolve() == other.resolve():
        return by_name
    return other.is_relative_to(own) and file.is_relative_to(other)


def _is_mask(file: Path) -> bool:
    return file.stem.endswith(MASK_SUFFIXES)


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()


def _by_key(top: Path, faults: list[Fault], root: Path, leave_out: Callable[[Path], bool]) -> dict[str, list[Path]]:
    """The image files below a folder by key; files of picture types that can't be read are faults, all others are no concern of ours."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(top.rglob("*")):
        inside = file.relative_to(top)
        if any(part.startswith(".") for part in inside.parts) or leave_out(file) or not file.is_file():
            continue
        if file.suffix.lower() in SUFFIXES:
            found[inside.with_suffix("").as_posix()].append(file)
        elif file.suffix.lower() in _FOREIGN:
            faults.append(Fault("unsupported", (_name(file, root),), f"{file.suffix} files can't be read; JPEG, PNG, BMP, GIF and WebP can"))
    return found


def fault_of_suffix(file: Path, name: str) -> Fault | None:
    """What is wrong with a file whose ending is not one of a picture that can be read: it is one all the same, or one of another kind."""
    if file.suffix.lower() in _FOREIGN:
        return Fault("unsupported", (name,), f"{file.suffix} files can't be read; JPEG, PNG, BMP, GIF and WebP can")
    try:
        header = read_header(file)
    except HeaderError:
        return None
    return Fault("no-suffix", (name,), f"a {header.type} file by its content, but its name does not say so")


def _instead(top: Path) -> str:
    """What an empty-looking folder holds."""
    endings = Counter(file.suffix or "no ending" for file in top.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not endings:
        return "; it is empty"
    return f"; it holds {', '.join(f'{count} files with {ending}' for ending, count in endings.most_common(3))}"


def in_val(key: str, share: float) -> bool:
    """Whether a key falls into the validation split: by its hash alone, so that adding files never moves an old one."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") < share * 2.0**64


def read_list(file: Path, option: str, known: Mapping[str, str]) -> set[str]:
    """The keys named in a list file: one name a line, with or without ending; empty lines and lines that begin with # don't count.

    Args:
        file: The list.
        option: The recipe's key, for messages.
        known: Every accepted name -> key.

    Returns:
        Keys.

    Raises:
        DataError: If the file can't be read, or names something that does not exist.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{option}: {file} can't be read as a list of names, one a line: {error}") from error
    keys = set()
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if name not in known:
            raise DataError(f"{option}: {file}:{number}: there is no image {name!r}{did_you_mean(name, known)}")
        keys.add(known[name])
    return keys


def left_out(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """The faults for which files were left out, as data.json keeps them."""
    return [{"kind": fault.kind, "files": list(fault.files), "reason": fault.message} for fault in faults]


def stop_message(faults: Sequence[Fault], place: Path) -> str:
    """What to tell the user when files stop the training: each kind with its count, its first file and its fix."""
    kinds: defaultdict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        kinds[fault.kind].append(fault)
    lines = []
    for kind, found in kinds.items():
        more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
        lines.append(f"  {found[0]}{more}; {FAULTS[kind].fix}")
    head = f"{place}: {len(faults)} {'fault stops' if len(faults) == 1 else 'faults stop'} the training:"
    return "\n".join([head, *lines, "Set data.on_error: skip to leave such files out and count them; `kvision data check` lists all of them."])
