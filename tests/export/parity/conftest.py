"""Files of the smoke run, made once for each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.parity.proof import Reference
    from kvision_export.subject import Subject


@pytest.fixture(scope="session")
def files(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LiteRT files by short format name; not to be changed."""
    from kvision_export.formats import parse
    from kvision_export.tflite import calibration, convert

    folder = tmp_path_factory.mktemp("files")
    outs = {each: folder / f"unet.{each.short}.tflite" for each in parse(["tflite-fp32,tflite-int8,tflite-int8-full"])}
    made = convert.convert_many(subject, outs, calibration=calibration.choose(subject, 16))
    found = {}
    for each, result in made.items():
        assert isinstance(result, convert.Converted), result
        found[each.short] = result.path
    return found


@pytest.fixture(scope="session")
def reference(subject: Subject) -> Reference:
    """What Keras reaches."""
    from kvision_export.parity import proof

    return proof.refer(subject)
