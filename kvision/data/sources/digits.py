"""scikit-learn's 1,797 handwritten digits of 8x8 pixels: real data without a download, for tests of seconds.

Reference: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its test part).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions

_HIGHEST = 16


class Options(SplitOptions):
    """How the digits are split."""

    source: Literal["digits"] = "digits"
    test_split: float = Field(0.2, ge=0.0, lt=1.0, description="Share of the examples that is for the test.")


class Digits(LabelledSource):
    """1,797 grey pictures, ten classes."""

    Options: ClassVar[type[DataOptions]] = Options

    def find(self) -> Found:
        """The digits, 0-16 scaled to 0-255."""
        from sklearn.datasets import load_digits

        data = load_digits()
        images = np.rint(data.images * (255 / _HIGHEST)).astype(np.uint8)
        return Found({"train": self.arrays(images, data.target.astype(np.int32), "digits")}, tuple("0123456789"))
