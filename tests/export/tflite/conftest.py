"""Files converted once for all tests, since every child process that converts takes seconds to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kvision_export.formats import FORMATS
from kvision_export.tflite import convert
from kvision_export.tflite.convert import Converted
from tests.export.tflite import nets

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from kvision_export.errors import ExportError
    from tests.export.tflite.nets import Nets


@dataclass(frozen=True)
class Pair:
    """An encoder and a step in one file of each format."""

    nets: Nets
    calls: dict[str, dict[str, np.ndarray]]
    made: dict[str, Converted | ExportError]

    def path(self, name: str) -> Path:
        found = self.made[name]
        assert isinstance(found, Converted), found
        return found.path


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """`nets.encoder_and_step` in every LiteRT format."""
    folder, chosen = tmp_path_factory.mktemp("pair"), nets.encoder_and_step()
    calls = nets.calls_of(chosen)
    outs = {each: folder / f"{each.short}.tflite" for each in FORMATS.values() if each.is_tflite}
    made = convert.convert_many(chosen, outs, calibration=nets.calibration(**calls))
    return Pair(chosen, calls, {each.name: found for each, found in made.items()})
