"""`kvision data pack` and `kvision data verify`: a recipe's pictures in a few large files, and whether these are still as they were written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kvision import catalog
from kvision.core import words
from kvision.core.disk import writing
from kvision.core.errors import DataError
from kvision.core.progress import Count
from kvision.data import pack as packer
from kvision.data.labelled_source import LabelledSource

if TYPE_CHECKING:
    from collections.abc import Sequence


def pack(recipe: str, overrides: Sequence[str], *, out: str, per_file: int = 1000, form: packer.Form = "tfrecord") -> None:
    """Writes every split of a recipe's labelled pictures into files, or goes on doing so, and prints how to read them.

    Args:
        recipe: A file, or the name of a shipped recipe.
        overrides: `key=value` texts.
        out: The folder to write.
        per_file: Examples a file, at most.
        form: What kind of files.

    Raises:
        UsageError: If the folder holds anything but the beginning of this.
        DataError: If the data can't be used, or has no labels.
        RunError: If a file can't be written.
    """
    resolved = catalog.load(recipe, overrides)
    options, folder = resolved.recipe.data, Path(out)
    source = catalog.source(options.source)(options, seed=resolved.recipe.train.seed, base=resolved.base)
    if not isinstance(source, LabelledSource):
        raise DataError(f"data.source: {options.source} gives {', '.join(sorted(source.info.fields))}; only pictures with class labels can be packed")
    if (folder / packer.PLAN).exists():
        print(f"{folder}: going on; the files that are whole stay as they are", file=sys.stderr)
    with Count("packing", 1) as count, writing(folder, "the files", "--out"):
        counts = packer.pack(source, folder, per_file=per_file, form=form, told=count.of)
    told = ", ".join(f"{words.counted(number, 'example')} for {split}" for split, number in counts.items())
    print(f"{folder}: {told}; to read them:\ndata: {{source: tfrecord, path: {folder.resolve()}}}")


def verify(folder: str) -> None:
    """Compares the files of a packed folder with their checksums.

    Args:
        folder: The folder.

    Raises:
        DataError: If a file is missing or damaged; each is named on the standard output.
    """
    with Count("verifying", 1) as count:
        wrong = packer.verify(Path(folder), told=count.of)
    for line in wrong:
        print(line)
    if wrong:
        raise DataError(f"{folder}: {words.counted(len(wrong), 'file')} not as packed; named above")
    print(f"{folder}: all files are as they were packed")
