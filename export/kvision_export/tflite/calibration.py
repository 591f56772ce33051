"""Training images for quantization to measure ranges on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Calibration:
    names: tuple[str, ...]
    indices: tuple[int, ...]
    inputs: dict[str, dict[str, np.ndarray]]
