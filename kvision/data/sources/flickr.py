"""Flickr8k and Flickr30k: pictures, a file of captions, and perhaps lists that say the splits.

The captions are `image.jpg#0<TAB>caption` lines (`Flickr8k.token.txt`, `results_20130124.token`) or a table with columns of images and captions
(`captions.txt` with commas, `results.csv` with `|`, as Kaggle has them). Files and folder are found by these names, in the data set's folder or one
below it; `Flickr_8k.trainImages.txt`, `devImages.txt` and `testImages.txt` say the splits if they are there.

Papers: M. Hodosh et al., JAIR 47, 2013 (Flickr8k); P. Young et al., TACL 2, 2014 (Flickr30k).
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files, lists, tables, utf8
from kvision.data.captioned_source import Captioned, CaptionedSource, CaptionOptions, Collected
from kvision.data.headers import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_CAPTIONS = ("Flickr8k.token.txt", "results_20130124.token", "*.token", "*.token.txt", "captions.txt", "results.csv")
_LISTS: dict[SplitName, tuple[str, ...]] = {
    "train": ("*trainImages.txt", "*train_images.txt"),
    "val": ("*devImages.txt", "*valImages.txt", "*dev_images.txt", "*val_images.txt"),
    "test": ("*testImages.txt", "*test_images.txt"),
}
_LINE = re.compile(r"(?P<image>.+?)#\d+\s*\t(?P<caption>.*)")


class Options(CaptionOptions):
    """Where captions, pictures and lists lie."""

    source: Literal["flickr"] = "flickr"
    captions: str | None = Field(None, description="File of the captions, relative to `path`; none: found by its usual names.")
    images: str | None = Field(None, description="Folder of the pictures, relative to `path`; none: the one that holds the first ones.")
    train_list: str | None = Field(None, description="File with the training pictures' names, one a line; none: found, or all that the others leave.")
    val_list: str | None = Field(None, description="File with the validation pictures' names, likewise; none: found, or by `val_split`.")
    test_list: str | None = Field(None, description="File with the test pictures' names, likewise; none: found, or by `test_split`.")


_Options = Options  # inside the source, `Options` is its attribute


class Flickr(CaptionedSource):
    """Pictures with sentences in Flickr8k's format."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder holds a file of captions under one of its usual names."""
        return _first(root, _CAPTIONS) is not None

    def collect(self) -> Collected:
        """Reads captions and lists."""
        sentences, given = self._sentences(), self._lists()
        images = files.holder(self.root, list(sentences)) if self.options.images is None else self.root / self.options.images
        named = {name: Captioned(files.name_within(images / name, self.root), images / name, sentences=tuple(of)) for name, of in sentences.items()}
        facts = {"captions": files.name_within(self._file, self.root), "lists": {split: file.name for split, file in given.items()}}
        if given:
            members = files.read_lists(given, named)
            return Collected({split: [one for name, one in named.items() if name in chosen] for split, chosen in members.items()}, facts=facts)
        others = [file for file in sorted(images.iterdir()) if file.suffix.lower() in SUFFIXES and file.name not in named] if images.is_dir() else []
        return Collected({"train": [*named.values(), *(Captioned(files.name_within(file, self.root), file) for file in others)]}, facts=facts)

    @cached_property
    def _file(self) -> Path:
        """The file of the captions."""
        if self.options.captions is not None:
            return self.root / self.options.captions
        found = _first(self.root, _CAPTIONS)
        if found is None:
            raise DataError(f"data.path: {self.root} holds no file of captions, such as {', '.join(_CAPTIONS[:2])}; name it by data.captions")
        return found

    def _sentences(self) -> Mapping[str, Sequence[str]]:
        """The sentences by the picture's name."""
        lines = utf8.lines(self._file)
        first = next((line for line in lines if line.strip()), "")
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, sentence in self._of_lines(lines) if _LINE.fullmatch(first) else self._of_table():
            found[name].append(sentence)
        return found

    def _of_lines(self, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Names and captions of lines with a tab between."""
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line)
            if match:
                yield match["image"], match["caption"]
            elif line.strip():
                raise DataError(f"{self._file}:{number}: got {line[:60]!r}, expected image.jpg#0, a tab and the caption; mend or remove the line")

    def _of_table(self) -> Iterator[tuple[str, str]]:
        """Names and captions of a table."""
        rows = tables.read(self._file)
        image, caption = (tables.column(rows, None, names, "", self._file) for names in (lists.IMAGES, lists.CAPTIONS))
        if image is None or caption is None:
            raise DataError(
                f"{self._file}: holds neither lines of image.jpg#0, a tab and the caption, nor columns of images and captions, but the columns "
                f"{', '.join(rows[0])}; say what they are with data.source: caption_list"
            )
        for row in rows:
            yield row[image].strip(), row[caption]

    def _lists(self) -> dict[SplitName, Path]:
        """The lists that are given, or else found."""
        options = self.options
        given = {"train": options.train_list, "val": options.val_list, "test": options.test_list}
        if any(given.values()):
            return {split: self.root / name for split in _LISTS if (name := given[split]) is not None}
        found = {split: file for split, names in _LISTS.items() if (file := _first(self.root, names)) is not None}
        return found if len(found) > 1 else {}


def _first(root: Path, patterns: Sequence[str]) -> Path | None:
    """The first file that is called so, in the folder or in one below it."""
    return next((file for pattern in patterns for deep in ("", "*/") for file in sorted(root.glob(deep + pattern)) if file.is_file()), None)
