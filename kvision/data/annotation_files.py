"""Annotations in COCO's JSON: where files and folders of pictures lie, found by the names that the data sets have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.schema import DataOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.data.source import SplitName

_PREFIXES: dict[SplitName, tuple[str, ...]] = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}


class AnnotationOptions(DataOptions):
    """Where the annotations and the pictures lie."""

    annotations: str | None = Field(None, description="File of the annotations, of all pictures or of training, relative to `path`; none: found.")
    images: str = Field("images", description="Folder of its pictures, relative to `path`; used with `annotations`.")
    val_annotations: str | None = Field(None, description="File of the validation annotations; none: found, or by `val_split`.")
    val_images: str = Field("images", description="Folder of its pictures; used with `val_annotations`.")
    test_annotations: str | None = Field(None, description="File of the test annotations; none: found, or by `test_split`.")
    test_images: str = Field("images", description="Folder of its pictures; used with `test_annotations`.")


def files(root: Path, options: AnnotationOptions, kind: str) -> dict[SplitName, tuple[Path, Path]]:
    """Annotations and folder of pictures of each split.

    Args:
        root: The data set's folder.
        options: What the recipe says.
        kind: What annotations are called after: `instances` or `captions`.

    Returns:
        Those of `train`, and of `val` and `test` where they are given or found.

    Raises:
        DataError: If there are none of training.
    """
    if options.annotations is None:
        found = {split: pair for split, prefixes in _PREFIXES.items() if (pair := _known(root, prefixes, kind)) is not None}
    else:
        found = {"train": (root / options.annotations, root / options.images)}
    if options.val_annotations is not None:
        found["val"] = root / options.val_annotations, root / options.val_images
    if options.test_annotations is not None:
        found["test"] = root / options.test_annotations, root / options.test_images
    if "train" not in found:
        raise DataError(f"data.path: {root} has no layout that is known; name the file by data.annotations and the folder by data.images")
    return found


def _known(root: Path, prefixes: tuple[str, ...], kind: str) -> tuple[Path, Path] | None:
    """The first of the known layouts that is there."""
    for prefix in prefixes:
        beside = root / prefix / "_annotations.coco.json"
        if kind == "instances" and beside.is_file():
            return beside, beside.parent
        for file in sorted((root / "annotations").glob(f"{kind}_{prefix}*.json")):
            name = file.stem.removeprefix(f"{kind}_")
            for folder in (root / name, root / "images" / name):
                if folder.is_dir():
                    return file, folder
    return None


def read(file: Path) -> dict[str, Any]:
    """The content of a file; raises `DataError` that names it if it is no JSON object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: can't be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: is not COCO's format: it holds a {type(content).__name__}, not images and annotations")
    return content
