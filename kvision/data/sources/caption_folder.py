"""A folder of pictures with captions: a `.txt` file beside each, a line a caption; or whatever other layout it has, which is found out.

Recognised are those of `coco_captions`, `flickr` and `caption_list` (`captions` or `metadata` with .csv, .tsv, .jsonl or .parquet). Pictures with
`.txt` files are split by the sub-folders `train` and `val`, `test` or both, if they are there, else by ratio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from kvision.core.errors import DataError
from kvision.data import files, utf8
from kvision.data.captioned_source import Captioned, CaptionedSource, CaptionOptions, Collected
from kvision.data.faults import Fault
from kvision.data.headers import SUFFIXES
from kvision.data.sources.caption_list import CaptionList
from kvision.data.sources.coco_captions import CocoCaptions
from kvision.data.sources.flickr import Flickr

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions


class Options(CaptionOptions):
    """Where the folder lies."""

    source: Literal["caption_folder"] = "caption_folder"


_Options = Options  # inside the source, `Options` is its attribute


class CaptionFolder(CaptionedSource):
    """Pictures with captions in any of the layouts that are known."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder has captions in any of the layouts."""
        beside = (file.with_suffix(".txt").is_file() for file in files.visible(root) if file.suffix.lower() in SUFFIXES)
        return _layout(root) is not None or any(beside)

    def collect(self) -> Collected:
        """As the layout's own source, or what stands in the files beside the pictures."""
        shared = {name: getattr(self.options, name) for name in CaptionOptions.model_fields if name != "source"}
        known = _layout(self.root)
        if known is None:
            return self._beside()
        layout, own = known
        found = layout(layout.Options(**shared, **own), seed=self.seed, base=self.base).collect()
        found.facts["layout"] = layout.Options.model_fields["source"].default
        return found

    def _beside(self) -> Collected:
        """The pictures and the files beside them."""
        faults: list[Fault] = []
        tops = files.split_folders(self.root) or {"train": self.root}
        pools = {split: [self._picture(file, faults) for file in files.pictures(top, self.root, faults)] for split, top in tops.items()}
        everything = [one for members in pools.values() for one in members]
        if not any(one.sentences for one in everything):
            raise DataError(
                f"data.path: {self.root} holds {len(everything)} pictures and no captions of them; put a .txt file of the same name beside each, "
                "a line a caption, or a list captions.csv with the columns image and caption"
            )
        stems = {one.file.with_suffix("") for one in everything}
        faults += [
            Fault("extra-caption", (files.name_within(file, self.root),), "there is no picture of this name beside it")
            for top in tops.values()
            for file in files.visible(top)
            if file.suffix == ".txt" and file.with_suffix("") not in stems
        ]
        return Collected(pools, faults, {"layout": "a .txt file beside each picture"})

    def _picture(self, file: Path, faults: list[Fault]) -> Captioned:
        """A picture with the lines of the file beside it."""
        name, beside = files.name_within(file, self.root), file.with_suffix(".txt")
        if not beside.is_file():
            return Captioned(name, file)
        if (wrong := utf8.fault_of(beside.read_bytes())) is not None:
            faults.append(Fault("not-utf8", (files.name_within(beside, self.root),), wrong))
            return Captioned(name, file)
        return Captioned(name, file, sentences=tuple(line for line in utf8.lines(beside) if line.strip()))


def _layout(root: Path) -> tuple[type[CaptionedSource], dict[str, object]] | None:
    """The source of a folder's layout, and options of its own; none: it is none of theirs."""
    if CocoCaptions.recognises(root):
        return CocoCaptions, {}
    if Flickr.recognises(root):
        return Flickr, {}
    name = CaptionList.recognised(root)
    return None if name is None else (CaptionList, {"list": name})
