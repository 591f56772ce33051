"""COCO annotations as classes of whole pictures: all that occur, or that of the largest box.

Found without being named: `annotations/instances_train2017.json` with `train2017/` (any year, the same for val), and `train/_annotations.coco.json`
with the pictures beside it (the same for valid and test). Other layouts are said by `annotations` and `images`.

Paper: T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014, arXiv 1405.0312.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files
from kvision.data.boxed_source import Boxed, BoxedSource, BoxedSplits, BoxOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_PREFIXES: dict[SplitName, tuple[str, ...]] = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}


class Options(BoxOptions):
    """Where the annotations and the pictures lie."""

    source: Literal["coco"] = "coco"
    annotations: str | None = Field(None, description="File of the annotations, of all pictures or of training, relative to `path`; none: found.")
    images: str = Field("images", description="Folder of its pictures, relative to `path`; used with `annotations`.")
    val_annotations: str | None = Field(None, description="File of the validation annotations; none: found, or by `val_split`.")
    val_images: str = Field("images", description="Folder of its pictures; used with `val_annotations`.")
    test_annotations: str | None = Field(None, description="File of the test annotations; none: found, or by `test_split`.")
    test_images: str = Field("images", description="Folder of its pictures; used with `test_annotations`.")


_Options = Options  # inside the source, `Options` is its attribute


class Coco(BoxedSource):
    """Pictures with COCO's JSON annotations."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def boxed(self) -> BoxedSplits:
        """Reads the files of all splits, which must name the same categories."""
        pools: dict[SplitName, list[Boxed]] = {}
        names: list[str] | None = None
        for split, (file, images) in self._files().items():
            content = _read(file)
            found, pools[split] = self._pictures(content, file, images)
            if names is not None and found != names:
                raise DataError(f"{file}: has other categories than the training annotations: {', '.join(found[:8])} and {', '.join(names[:8])}")
            names = found
        return BoxedSplits(pools, names)

    def _files(self) -> dict[SplitName, tuple[Path, Path]]:
        """Annotations and folder of pictures of each split."""
        options = self.options
        if options.annotations is None:
            found = {split: pair for split, prefixes in _PREFIXES.items() if (pair := self._known(prefixes)) is not None}
        else:
            found = {"train": (self.root / options.annotations, self.root / options.images)}
        if options.val_annotations is not None:
            found["val"] = self.root / options.val_annotations, self.root / options.val_images
        if options.test_annotations is not None:
            found["test"] = self.root / options.test_annotations, self.root / options.test_images
        if "train" not in found:
            raise DataError(f"data.path: {self.root} has no layout that is known; name the file by data.annotations and the folder by data.images")
        return found

    def _known(self, prefixes: tuple[str, ...]) -> tuple[Path, Path] | None:
        """The first of the two known layouts that is there."""
        for prefix in prefixes:
            beside = self.root / prefix / "_annotations.coco.json"
            if beside.is_file():
                return beside, beside.parent
            for file in sorted((self.root / "annotations").glob(f"instances_{prefix}*.json")):
                name = file.stem.removeprefix("instances_")
                for folder in (self.root / name, self.root / "images" / name):
                    if folder.is_dir():
                        return file, folder
        return None

    def _pictures(self, content: dict[str, Any], file: Path, images: Path) -> tuple[list[str], list[Boxed]]:
        """Names of the categories by id, and the pictures with their boxes."""
        try:
            names = {one["id"]: str(one["name"]) for one in sorted(content["categories"], key=lambda one: one["id"])}
            boxes: defaultdict[Any, list[tuple[str, float]]] = defaultdict(list)
            for one in content["annotations"]:
                boxes[one["image_id"]].append((names[one["category_id"]], float(one["bbox"][2]) * float(one["bbox"][3])))
            members = [
                Boxed(files.name_within(images / one["file_name"], self.root), images / one["file_name"], boxes[one["id"]])
                for one in content["images"]
            ]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(f"{file}: is not COCO's format: {type(error).__name__} {error}; it needs images, annotations and categories") from error
        if len(set(names.values())) < len(names):
            raise DataError(f"{file}: two categories have the same name")
        return list(names.values()), members


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: can't be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: is not COCO's format: it holds a {type(content).__name__}, not images, annotations and categories")
    return content
