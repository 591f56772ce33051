"""Which source reads a folder of the user's own pictures: told by what lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core.errors import DataError
from kvision.data import files
from kvision.data.headers import SUFFIXES
from kvision.data.sources.caption_folder import CaptionFolder

if TYPE_CHECKING:
    from pathlib import Path


def source_of(root: Path) -> str:
    """Looks at a folder.

    Args:
        root: The folder.

    Returns:
        `image_masks` for one with `images` and `masks`, `caption_folder` for one with captions in any layout, `image_folder` for a folder a class.

    Raises:
        DataError: If it is none of these.
    """
    if all((root / name).is_dir() for name in ("images", "masks")):
        return "image_masks"
    if CaptionFolder.recognises(root):
        return "caption_folder"
    top = (files.split_folders(root) or {"train": root})["train"]
    classes = [each for each in files.folders(top) if any(file.suffix.lower() in SUFFIXES for file in files.visible(each))]
    if len(classes) > 1:
        return "image_folder"
    raise DataError(
        f"{root}: holds neither images/ and masks/, nor captions (a .txt file beside each picture, or a list of them), nor a folder of pictures for "
        "each of several classes; sort the pictures so, or begin with `kvision new my.yaml` and set data.source and its options"
    )
