"""Pictures named on the command line: which files are meant, where what is made of them goes, and what is told of those that failed."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision.core import words
from kvision.core.errors import DataError, RunError, UsageError
from kvision.core.names import did_you_mean
from kvision.data import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WILD = "*?["


def collect(inputs: Sequence[str]) -> list[Path]:
    """The pictures that files, folders and globs stand for, each once, in the order given; folders and globs sorted.

    Args:
        inputs: What the user gave.

    Returns:
        At least one file.

    Raises:
        UsageError: If one of the inputs does not exist, or holds no picture.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in decode.SUFFIXES and file.is_file())
            if not files:
                raise UsageError(f"{given}: no pictures in this folder; looked for {', '.join(sorted(decode.SUFFIXES))}, in sub-folders, too")
        elif path.exists():
            files = [path]
        elif any(sign in given for sign in _WILD):
            files = sorted(
                Path(match)
                for match in glob.glob(given, recursive=True)  # noqa: PTH207 - absolute and relative alike
                if Path(match).is_file()
            )
            if not files:
                raise UsageError(f"{given}: no file matches; ** goes through sub-folders")
        else:
            beside = [str(file) for file in path.parent.iterdir()] if path.parent.is_dir() else []
            raise UsageError(f"{given}: no such file or folder; give pictures, folders or globs{did_you_mean(given, beside)}")
        found |= dict.fromkeys(files)
    if not found:
        raise UsageError("no input; give pictures, folders or globs, e.g. `kvision predict runs/unet photo.jpg 'holiday/*.png'`")
    return list(found)


def stems(files: Sequence[Path]) -> list[str]:
    """A name for what is written of each file; files of one name get numbers."""
    used: dict[str, None] = {}
    for file in files:
        candidates = (file.stem if number == 1 else f"{file.stem}-{number}" for number in range(1, len(files) + 1))
        used[next(name for name in candidates if name not in used)] = None
    return list(used)


def fresh(out: str | Path | None, parent: Path) -> Path:
    """The folder to write into, in which nothing can be overwritten.

    Args:
        out: What the user gave; none: the next number in `parent`.
        parent: Folder of numbered folders.

    Returns:
        A new or an empty folder.

    Raises:
        RunError: If it holds files.
    """
    if out is None:
        taken = [int(path.name) for path in parent.glob("*") if path.name.isdigit()]
        return parent / str(max(taken, default=0) + 1)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"--out {out}: holds files, which are not overwritten; give a new folder, or leave --out out for {parent}/<n>")
    return folder


def tell(entries: Sequence[Mapping[str, Any]], written: Path, verbs: tuple[str, str], *, quiet: bool) -> None:
    """Says how many pictures are done, and which are not.

    Args:
        entries: One a picture, with an `error` where something went wrong.
        written: The file that holds them all.
        verbs: What was done to pictures, and what became of the others.
        quiet: Whether to say errors only.

    Raises:
        DataError: If some are not done; names the first of them.
    """
    done, missed = verbs
    failed = [entry["error"] for entry in entries if "error" in entry]
    if not quiet:
        print(f"{words.counted(len(entries) - len(failed), 'picture')} {done}: {written.parent}")
    if failed:
        listed = "\n".join(f"  {error}" for error in failed[:5]) + (f"\n  and {len(failed) - 5} more" if len(failed) > 5 else "")
        raise DataError(f"{len(failed)} of {len(entries)} pictures {missed}, the others are done; {written} names them:\n{listed}")
