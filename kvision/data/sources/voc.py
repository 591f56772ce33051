"""Pascal VOC annotations (one XML file a picture) as classes of whole pictures: all that occur, or that of the largest box.

The lists `ImageSets/Main/train.txt`, `val.txt` and `test.txt` say the split; without them all annotated pictures are split by ratio.

Paper: M. Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 88(2), 2010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal
from xml.etree import ElementTree as ET

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files
from kvision.data.boxed_source import Boxed, BoxedSource, BoxedSplits, BoxOptions
from kvision.data.faults import Fault
from kvision.data.headers import SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class Options(BoxOptions):
    """Where the pictures, the annotations and the lists lie."""

    source: Literal["voc"] = "voc"
    path: str = Field("VOCdevkit/VOC2012", description="Folder of the data set, relative to the recipe's file.")
    images: str = Field("JPEGImages", description="Folder of the pictures, relative to `path`.")
    annotations: str = Field("Annotations", description="Folder of the XML files, relative to `path`.")
    lists: str = Field("ImageSets/Main", description="Folder of train.txt, val.txt and test.txt, relative to `path`.")
    difficult: bool = Field(True, description="Whether objects that are marked as difficult count.")


_Options = Options  # inside the source, `Options` is its attribute


class Voc(BoxedSource):
    """Pictures with Pascal VOC's XML annotations."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def boxed(self) -> BoxedSplits:
        """Reads the lists and the XML files that they name."""
        annotations = files.folder(self.root / self.options.annotations, "data.annotations")
        pools: dict[SplitName, list[Boxed]] = {}
        faults: list[Fault] = []
        for split, stems in self._stems(annotations).items():
            found = files.in_threads(lambda stem: self._read(annotations / f"{stem}.xml", stem), stems)
            pools[split] = []
            for one in found:
                if isinstance(one, Fault):
                    faults.append(one)
                else:
                    pools[split].append(one)
        return BoxedSplits(pools, None, faults)

    def _stems(self, annotations: Path) -> dict[SplitName, list[str]]:
        """The names of the pictures, without ending, of each split."""
        lists = {split: self.root / self.options.lists / f"{split}.txt" for split in _SPLITS}
        found = {
            split: [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            for split, file in lists.items()
            if file.is_file()
        }
        if "train" in found:
            return found
        everything = {file.stem for file in annotations.glob("*.xml")} - {stem for stems in found.values() for stem in stems}
        if not everything:
            raise DataError(f"data.annotations: {annotations} holds no XML files, and {lists['train']} does not exist")
        return {**found, "train": sorted(everything)}

    def _read(self, file: Path, stem: str) -> Boxed | Fault:
        """One picture's boxes."""
        name = f"{self.options.annotations}/{file.name}"
        try:
            root = ET.fromstring(file.read_bytes())  # noqa: S314 - expat itself limits what entities may grow to
            told = root.findtext("filename")
            boxes = [box for one in root.iter("object") if (box := self._box(one)) is not None]
        except OSError as error:
            return Fault("bad-annotation", (name,), f"can't be read: {error.strerror or error}")
        except (ET.ParseError, ValueError, AttributeError) as error:
            return Fault("bad-annotation", (name,), f"is no annotation of VOC: {error}")
        folder = self.root / self.options.images
        candidates = [folder / told] if told else []
        candidates += [folder / f"{stem}{suffix}" for suffix in SUFFIXES]
        image = next((candidate for candidate in candidates if candidate.is_file()), folder / (told or f"{stem}.jpg"))
        return Boxed(f"{self.options.images}/{image.name}", image, boxes)

    def _box(self, one: ET.Element) -> tuple[str, float] | None:
        """Name and area of one object; none of a difficult one that is not to count."""
        if not self.options.difficult and (one.findtext("difficult") or "0").strip() == "1":
            return None
        name = (one.findtext("name") or "").strip()
        if not name:
            raise ValueError("an object has no name")
        left, top, right, bottom = (float(one.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax"))
        if not (right >= left and bottom >= top):
            raise ValueError(f"the object {name} has the box {left:g}, {top:g}, {right:g}, {bottom:g}")
        return name, (right - left) * (bottom - top)
