"""2,624 photographs of solar cells under current, 300x300 pixels, in which cracks and dead parts stay dark; from the package elpv-dataset.

The package holds the pictures (CC BY-NC-SA 4.0: not for commercial use) and how probable a defect is, 0, 1/3, 2/3 or 1; from one half on a cell
counts as defective here. There is no split of its own: 656 are put aside for the test by the hash of their names.

Paper: S. Deitsch et al., Automatic Classification of Defective Photovoltaic Module Cells in Electroluminescence Images, 2019, arXiv 1807.02894.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import extra
from kvision.data.encoded_split import FileSplit
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions

PACKAGE = "elpv-dataset"
CLASSES = ("functional", "defective")
_DEFECTIVE = 0.5


class Options(SplitOptions):
    """Which cells, and how they are split."""

    source: Literal["elpv"] = "elpv"
    kind: Literal["all", "mono", "poly"] = Field("all", description="Of monocrystalline or polycrystalline silicon.")
    test_size: int | None = Field(656, ge=1, le=10**9, description="Test examples, drawn from all; none: by `test_split`.")
    val_size: int | None = Field(394, ge=1, le=10**9, description="Validation examples, drawn from those that are left; none: by `val_split`.")


_Options = Options  # inside the source, `Options` is its attribute


class Elpv(LabelledSource):
    """Grey pictures of solar cells, functional or defective."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Reads the package's list of labels; raises `DataError` that says what to install, or that it is another version."""
        module = extra.package("elpv_dataset", PACKAGE, "data.source: elpv")
        folder = Path(str(module.__file__)).parent / "data"
        try:
            rows = [line.split() for line in (folder / "labels.csv").read_text("utf-8").splitlines()]
            cells = [(name, float(probability), kind) for name, probability, kind in rows]
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder / 'labels.csv'}: can't be read ({error}); run `pip install --force-reinstall {PACKAGE}==1.0.0.post1`"
            ) from error
        chosen = [(name, probability) for name, probability, kind in cells if self.options.kind in ("all", kind)]
        names = [name for name, _ in chosen]
        labels = np.array([probability >= _DEFECTIVE for _, probability in chosen], np.int32)
        pool = FileSplit([folder / name for name in names], names, labels, np.ones(len(names), np.int32))
        return Found({"train": pool}, CLASSES, {"folder": str(folder), "kind": self.options.kind})
