"""Files of a data set: where they lie, what they are called, and what their endings and first bytes say is wrong with them."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from kvision.core import paths
from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data.faults import Fault
from kvision.data.headers import SUFFIXES, Header, HeaderError, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kvision.data.source import SplitName

Item = TypeVar("Item")
Result = TypeVar("Result")

_FOREIGN = frozenset({".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".svg", ".exr", ".tga", ".psd", ".npy"})
_THREADS = 16
_ARCHIVERS = "__MACOSX"
_SPLIT_FOLDERS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


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
    hint = paths.of_windows(path.relative_to(above).as_posix()) or did_you_mean(missing, siblings)
    if above.name == path.name and path.parent == above:
        hint = f"; set data.path to the folder above it, {above.parent}"
    raise DataError(f"{option}: there is no folder {path}; {there}{hint}")


def folders(top: Path) -> list[Path]:
    """The folders in a folder, without hidden ones."""
    return sorted(child for child in top.iterdir() if child.is_dir() and not child.name.startswith(".") and child.name != _ARCHIVERS)


def split_folders(root: Path) -> dict[SplitName, Path] | None:
    """The sub-folders `train` and `val`, `test` or both; none where they are not there."""
    inside = {child.name.lower(): child for child in folders(root)}
    found = {split: inside[name] for split, names in _SPLIT_FOLDERS.items() for name in names if name in inside}
    return found if "train" in found and len(found) > 1 else None


def visible(top: Path) -> Iterator[Path]:
    """All files below a folder, sorted, without hidden ones and what archivers leave behind."""
    for file in sorted(top.rglob("*")):
        if not any(part.startswith(".") or part == _ARCHIVERS for part in file.relative_to(top).parts) and file.is_file():
            yield file


def pictures(top: Path, root: Path, faults: list[Fault]) -> Iterator[Path]:
    """The files below a folder that are pictures by their endings, sorted.

    Args:
        top: The folder.
        root: The data set's folder, which names are relative to.
        faults: Those of files that look like pictures but can't be read, or the other way round, are added.

    Yields:
        The files.
    """
    for file in visible(top):
        if file.suffix.lower() in SUFFIXES:
            yield file
        elif (fault := fault_of_suffix(file, name_within(file, root))) is not None:
            faults.append(fault)


def name_within(file: Path, root: Path) -> str:
    """What a person finds a file by: its path within the data set's folder, with what is no UTF-8 escaped."""
    path = file.relative_to(root) if file.is_relative_to(root) else file
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def header(path: Path, name: str, max_pixels: int) -> tuple[Header | None, list[Fault]]:
    """Reads the header of one picture.

    Args:
        path: The file.
        name: What to call it.
        max_pixels: More pixels than this are taken for a decompression bomb.

    Returns:
        The header, or none when a fault makes the picture useless; and the faults.
    """
    try:
        found = read_header(path)
    except HeaderError as error:
        missing = isinstance(error.__cause__, FileNotFoundError | NotADirectoryError)
        return None, [Fault("missing-file" if missing else error.kind, (name,), "there is no such file" if missing else str(error))]
    if found.pixels > max_pixels:
        return None, [Fault("bomb", (name,), f"{found.width}x{found.height} px are more than data.max_pixels={max_pixels}")]
    told = SUFFIXES.get(path.suffix.lower()) == found.type
    return found, [] if told else [Fault("extension", (name,), f"a {found.type} file by its content")]


def fault_of_foreign(file: Path, name: str) -> Fault | None:
    """What is wrong with a file whose ending is that of a picture of a type that can't be read."""
    if file.suffix.lower() not in _FOREIGN:
        return None
    return Fault("unsupported", (name,), f"{file.suffix} files can't be read; JPEG, PNG, BMP, GIF and WebP can")


def fault_of_suffix(file: Path, name: str) -> Fault | None:
    """What is wrong with a file whose ending is not one of a picture that can be read: it is one all the same, or one of another kind."""
    if (foreign := fault_of_foreign(file, name)) is not None:
        return foreign
    try:
        header = read_header(file)
    except HeaderError:
        return None
    return Fault("no-suffix", (name,), f"a {header.type} file by its content, but its name does not say so")


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


def read_lists(given: Mapping[SplitName, Path], names: Iterable[str]) -> dict[SplitName, set[str]]:
    """Which picture is in which split, by lists as `read_list` reads them.

    Args:
        given: The lists.
        names: Those of all pictures.

    Returns:
        Names by split; without a list of training, `train` are all that the other lists leave.

    Raises:
        DataError: As `read_list`, or if a picture is in two lists.
    """
    known: dict[str, str] = {}
    for name in names:
        known[name] = known[str(PurePosixPath(name).with_suffix(""))] = name
    found = {split: read_list(file, f"data.{split}_list", known) for split, file in given.items()}
    place: defaultdict[str, list[SplitName]] = defaultdict(list)
    for split, members in found.items():
        for name in members:
            place[name].append(split)
    if twice := sorted(name for name, splits in place.items() if len(splits) > 1):
        first, second = place[twice[0]][:2]
        raise DataError(f"data.{second}_list: {len(twice)} pictures are in data.{first}_list as well, such as {twice[0]}; keep each in one of them")
    if "train" not in found:
        found["train"] = set(known.values()) - place.keys()
    return found


def holder(root: Path, names: Sequence[str]) -> Path:
    """Where pictures lie.

    Args:
        root: The data set's folder.
        names: Those of the pictures.

    Returns:
        The first folder, the root or one at most two levels below it, that holds one of the first pictures; the root where none does.
    """
    inside = folders(root)
    for top in (root, *inside, *(deeper for each in inside for deeper in folders(each))):
        if any((top / name).is_file() for name in names[:_THREADS]):
            return top
    return root
