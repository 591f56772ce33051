"""Fashion-MNIST: 60,000 + 10,000 grey pictures of clothes, 28x28 pixels, ten classes; from Debian's package, else as Keras downloads it.

The test split is the official one; validation examples are drawn from the training ones.

Paper: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017, arXiv 1708.07747.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.sources import idx
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FILES = tuple(f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
_SIZES = {"train": 60_000, "test": 10_000}


class Options(SplitOptions):
    """Where the files lie, and how the training examples are split."""

    source: Literal["fashion_mnist"] = "fashion_mnist"
    path: str | None = Field(None, description="Folder of the four files; none: Debian's package if it is installed, else Keras' cache or download.")
    val_size: int | None = Field(5000, ge=1, le=10**9, description="Validation examples, drawn from the training ones; none: by `val_split`.")


_Options = Options  # inside the source, `Options` is its attribute


class FashionMnist(LabelledSource):
    """Grey pictures of clothes, ten classes."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Reads the four files; raises `DataError` when they are nowhere, or not the data set that they should be."""
        folder = self._folder()
        pools = {}
        for split, (file, label_file) in idx.image_files(folder).items():
            images, labels = idx.pair(file, label_file)
            if len(images) != _SIZES.get(split) or labels.max() >= len(CLASSES):
                raise DataError(f"{file}: holds {len(images)} examples, Fashion-MNIST's {split} {_SIZES.get(split, 0)}; use data.source: idx for it")
            pools[split] = self.arrays(images, labels, split)
        return Found(pools, CLASSES, {"folder": str(folder)})

    def _folder(self) -> Path:
        """The folder of the files."""
        if self.options.path is not None:
            return files.folder(self.located(self.options.path), "data.path")
        return DEBIAN if DEBIAN.is_dir() else _downloaded()


def _downloaded() -> Path:
    """Keras' cache, filled if need be."""
    import keras

    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = [Path(keras.utils.get_file(name, origin=_ORIGIN + name, cache_subdir="datasets/fashion-mnist")) for name in _FILES]
    except Exception as error:
        # Keras raises a bare Exception for whatever the network does.
        raise DataError(
            f"data.source: fashion_mnist is neither in {DEBIAN} nor in Keras' cache, and can't be downloaded ({error}); "
            "run `apt install dataset-fashion-mnist`, or connect to the network, or give the folder of the four files by data.path"
        ) from error
    return found[0].parent
