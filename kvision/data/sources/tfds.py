"""A data set of TensorFlow Datasets, by name.

What has been prepared on this machine is read as the TFRecord files that it is, without the package; anything else is downloaded and prepared by
the package `tensorflow-datasets`, which needs a network.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import extra
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_SPLITS: dict[SplitName, tuple[str, ...]] = {"train": ("train",), "val": ("validation", "val", "valid"), "test": ("test",)}
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class Options(SplitOptions):
    """Which data set, and which of its features."""

    source: Literal["tfds"] = "tfds"
    name: str = Field("mnist", min_length=1, description="Name as TFDS has it: `cifar10`, `cifar10_corrupted/fog_1`, `mnist:3.0.1`.")
    data_dir: str | None = Field(None, description="Folder of the prepared data sets; none: $TFDS_DATA_DIR, else ~/tensorflow_datasets.")
    image_key: str = Field("image", description="Feature of the picture.")
    label_key: str = Field("label", description="Feature of the label or labels.")
    name_key: str = Field("file_name", description="Feature of the name, if there is one.")


_Options = Options  # inside the source, `Options` is its attribute


class Tfds(LabelledSource):
    """Pictures of TensorFlow Datasets."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Finds or prepares the data set; raises `DataError` that says what to install or do."""
        from kvision.data.record_pools import pools
        from kvision.data.records import Keys

        options = self.options
        top = self.located(options.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
        folder = prepared(top, options.name) or self._prepare(top)
        members: dict[SplitName, list[Path]] = {}
        for split, words in _SPLITS.items():
            files = sorted(file for word in words for file in folder.glob(f"*-{word}.tfrecord*"))
            if files:
                members[split] = files
        if "train" not in members:
            raise DataError(f"{folder}: holds no training files *-train.tfrecord*; prepare the data set anew, as TFRecord")
        names = folder / f"{options.label_key}.labels.txt"
        given = names.read_text(encoding="utf-8").split("\n") if names.is_file() else None
        keys = Keys(options.image_key, options.label_key, options.name_key)
        made, class_names = pools(members, keys, [name for name in given if name] if given else None)
        return Found(made, class_names, {"folder": str(folder)})

    def _prepare(self, top: Path) -> Path:
        """Lets the package download and prepare the data set."""
        name = self.options.name
        package = extra.package("tensorflow_datasets", "tensorflow-datasets", f"data.name: {name} is not prepared in {top}, and preparing it")
        try:
            builder = package.builder(name, data_dir=str(top))
            builder.download_and_prepare(file_format="tfrecord")
        except Exception as error:
            # The network, the disk and each data set's own code fail in their own ways.
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DataError(f"data.name: {name} could not be prepared ({first}); look the name up, and see that there is a network") from error
        return Path(builder.data_dir)


def prepared(top: Path, name: str) -> Path | None:
    """The folder of a prepared data set's newest version, or of the one that `name` asks for; none if there is none."""
    path, _, version = name.partition(":")
    versions = [folder for folder in (top / path).glob("*") if _VERSION.fullmatch(folder.name) and (folder / "features.json").is_file()]
    wanted = [folder for folder in versions if version in {"", folder.name}]
    return max(wanted, key=lambda folder: tuple(map(int, folder.name.split("."))), default=None)
