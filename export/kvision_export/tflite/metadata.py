"""`labels.txt` and `metadata.json` inside a .tflite file: a zip appended to it, which runtimes overlook and every unzip reads."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

from kvision_edge.manifest import LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

METADATA = "metadata.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time that every entry carries, so that the same run exports the same bytes."""


def append(path: Path, labels: Sequence[str], metadata: Mapping[str, Any]) -> None:
    """Appends labels and metadata to a file, in place of those that it has.

    Args:
        path: A .tflite file.
        labels: Class names.
        metadata: Plain JSON.
    """
    texts = {LABELS: "".join(f"{label}\n" for label in labels), METADATA: json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"}
    path.write_bytes(model(path))
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)


def read(path: Path) -> dict[str, str]:
    """The texts in a file by name; empty if it has none."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def model(path: Path) -> bytes:
    """The model alone, without what was appended to it."""
    content = path.read_bytes()
    if not zipfile.is_zipfile(path):
        return content
    with zipfile.ZipFile(path) as archive:
        return content[: min((each.header_offset for each in archive.infolist()), default=archive.start_dir)]
