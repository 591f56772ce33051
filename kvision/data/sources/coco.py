"""COCO annotations as classes of whole pictures: all that occur, or that of the largest box.

Found without being named: `annotations/instances_train2017.json` with `train2017/` (any year, the same for val), and `train/_annotations.coco.json`
with the pictures beside it (the same for valid and test). Other layouts are said by `annotations` and `images`.

Paper: T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014, arXiv 1405.0312.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kvision.core.errors import DataError
from kvision.data import annotation_files, files
from kvision.data.annotation_files import AnnotationOptions
from kvision.data.boxed_source import Boxed, BoxedSource, BoxedSplits, BoxOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName


class Options(BoxOptions, AnnotationOptions):
    """What is made of the boxes, and where annotations and pictures lie."""

    source: Literal["coco"] = "coco"


_Options = Options  # inside the source, `Options` is its attribute


class Coco(BoxedSource):
    """Pictures with COCO's JSON annotations."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def boxed(self) -> BoxedSplits:
        """Reads the files of all splits, which must name the same categories."""
        pools: dict[SplitName, list[Boxed]] = {}
        names: list[str] | None = None
        for split, (file, images) in annotation_files.files(self.root, self.options, "instances").items():
            content = annotation_files.read(file)
            found, pools[split] = self._pictures(content, file, images)
            if names is not None and found != names:
                raise DataError(f"{file}: has other categories than the training annotations: {', '.join(found[:8])} and {', '.join(names[:8])}")
            names = found
        return BoxedSplits(pools, names)

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
