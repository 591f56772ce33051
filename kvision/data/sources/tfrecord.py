"""TFRecord files of tf.Example with encoded pictures, such as `kvision data pack` writes, or TF-Slim's and TFDS'.

The files may hold one record or millions: an index, made once, lets every record be read on its own (`kvision.data.records`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files, packed
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName


class Options(SplitOptions):
    """Which files, and what their features are called."""

    source: Literal["tfrecord"] = "tfrecord"
    path: str = Field(".", description="Folder of the files, relative to the recipe's file.")
    train_files: str = Field("train*", description="Pattern of the training files' names; of all files' where there is no other split.")
    val_files: str = Field("val*", description="Pattern of the validation files' names; without such files: by `val_split`.")
    test_files: str = Field("test*", description="Pattern of the test files' names; without such files: by `test_split`.")
    image_key: str = Field("image/encoded", description="Feature of the encoded picture.")
    label_key: str = Field("image/class/label", description="Feature of the label or labels: numbers or words.")
    name_key: str = Field("image/filename", description="Feature of the name; records without one are called by their file and number.")
    first_class: int = Field(0, ge=0, le=1, description="Number of the first class in the files: 1 where 0 is kept for background.")
    classes: tuple[str, ...] | None = Field(None, description=f"Names of the classes; none: those in {packed.FACTS}, else the labels themselves.")
    several: bool | None = Field(None, description=f"Whether an example can be of several classes; none: as {packed.FACTS} or the labels say.")


_Options = Options  # inside the source, `Options` is its attribute


class Tfrecord(LabelledSource):
    """Encoded pictures in TFRecord files."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Indexes all files; raises `DataError` that names the file and the record at fault."""
        from kvision.data.record_pools import pools
        from kvision.data.records import Keys

        options = self.options
        folder = files.folder(self.located(options.path), "data.path")
        facts = packed.facts(folder)
        given = options.classes or facts.get("classes")
        several = options.several if options.several is not None else facts.get("several")
        keys = Keys(options.image_key, options.label_key, options.name_key)
        made, names = pools(self._files(folder), keys, given, first=options.first_class, several=several)
        return Found(made, names, {"folder": str(folder)})

    def _files(self, folder: Path) -> dict[SplitName, list[Path]]:
        """The files of each split; `dataset.json` and hidden files are none."""
        patterns: dict[SplitName, str] = {"train": self.options.train_files, "val": self.options.val_files, "test": self.options.test_files}
        found = {
            split: sorted(file for file in folder.glob(pattern) if file.is_file() and not file.name.startswith(".") and not packed.tells(file.name))
            for split, pattern in patterns.items()
        }
        if not found["train"]:
            raise DataError(f"data.train_files: no file in {folder} matches {patterns['train']!r}; give a pattern that does, such as *.tfrecord")
        taken = set(found["val"]) | set(found["test"])
        found["train"] = [file for file in found["train"] if file not in taken]
        return {split: members for split, members in found.items() if members}
