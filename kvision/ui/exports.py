"""What the pages show of a bundle: every file that was exported, kept or rejected, with the figures of its proof."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision_edge.bundle import Bundle
from kvision_edge.errors import EdgeError

if TYPE_CHECKING:
    from pathlib import Path

PROOF, REPORT, SAMPLE = "proof.json", "report.html", "sample/picture.png"


@dataclass(frozen=True)
class File:
    """One file, or one that was made and not kept.

    Attributes:
        format: Such as `tflite-int8-full`.
        verdict: `good`, `rejected`, or `compared`: made for comparison only, and not kept; empty where the bundle has no proof.
        bytes: Size.
        metric: The one that is judged by; empty where the bundle has no proof.
        value: What the file reaches in it.
        drop: How much worse than the network it is, in points of the metric.
        latency_ms: Median of one example on one thread.
        runtime: The oldest interpreter that runs it.
        why: Why it was rejected.
    """

    format: str
    verdict: str
    bytes: float | None
    metric: str
    value: float | None
    drop: float | None
    latency_ms: float | None
    runtime: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """A bundle.

    Attributes:
        name: Its path below the library's folder.
        folder: The same, whole.
        title: Name of the model.
        task: Such as `segmentation`.
        files: What was exported.
        formats: Those that can be tried here: LiteRT files of models that take pictures.
        why_not: Why none can.
        has_report: Whether there is a report.html.
        has_sample: Whether there is a picture to try it with.
    """

    name: str
    folder: Path
    title: str
    task: str
    files: tuple[File, ...] = ()
    formats: tuple[str, ...] = ()
    why_not: str = ""
    has_report: bool = False
    has_sample: bool = False


def read(name: str, folder: Path) -> Facts:
    """Reads a bundle.

    Args:
        name: Its path below the library's folder.
        folder: The same, whole.

    Returns:
        Its facts; where it can't be read, `why_not` says why.
    """
    try:
        bundle = Bundle(folder)
    except EdgeError as error:
        return Facts(name, folder, folder.name, "unknown", why_not=str(error))
    manifest = bundle.manifest
    proofs = {str(row.get("format")): row for row in _proof(folder / PROOF)}
    for each in manifest.files:
        proofs.setdefault(each.format, {"format": each.format, "bytes": each.bytes, "verdict": "", "minimum_runtime": each.minimum_runtime})
    runnable = tuple(each.format for each in bundle.runnable)
    why_not = "" if runnable else "it holds no LiteRT file; kvision export RUN --to tflite-int8-full makes one"
    if manifest.preprocess is None:
        why_not = f"a {manifest.task} model takes no pictures; kvision-edge run {folder} runs it"
    return Facts(
        name,
        folder,
        manifest.name,
        manifest.task,
        tuple(_file(row) for row in proofs.values()),
        () if why_not else runnable,
        why_not,
        (folder / REPORT).is_file(),
        (folder / SAMPLE).is_file(),
    )


def _proof(path: Path) -> list[dict[str, Any]]:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [row for row in files if isinstance(row, dict)] if isinstance(files, list) else []


def _file(row: dict[str, Any]) -> File:
    drop, failures = _real(row.get("drop")), row.get("failures")
    return File(
        format=str(row.get("format")),
        verdict=str(row.get("verdict")),
        bytes=_real(row.get("bytes")),
        metric=str(row.get("metric") or ""),
        value=_real(row.get("value")),
        drop=None if drop is None else 100 * drop,
        latency_ms=_real(row.get("p50_ms_1")),
        runtime=str(row.get("minimum_runtime") or ""),
        why=tuple(map(str, failures)) if isinstance(failures, list) else (),
    )


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
