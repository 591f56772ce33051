"""What the manifest says: where a bundle comes from, what each file is, and what a device must know to run it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from typing import TYPE_CHECKING, Any

from kvision.core.jsonable import jsonable
from kvision.engine import runfolder, state
from kvision_edge import manifest
from kvision_export import bundle, samples
from kvision_export.parity import page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision_export.parity.finding import Finding
    from kvision_export.parity.proof import Reference
    from kvision_export.subject import Subject

CALIBRATION = "calibration.json"


def source(subject: Subject, out: Path) -> dict[str, Any]:
    """Where a bundle comes from.

    Args:
        subject: What is exported.
        out: The bundle, from which the run is also named relatively: both may move together.

    Returns:
        Plain JSON; `weights_sha256` is that of all weights, by name and value.
    """
    run = subject.run.resolve()
    sums = hashlib.sha256()
    for name, value in sorted(state.read(subject.session.weights()).items()):
        sums.update(name.encode() + value.tobytes())
    return {
        "run": str(run),
        "run_relative": os.path.relpath(run, out.resolve()),
        "weights": subject.weights,
        "weights_sha256": sums.hexdigest(),
        "system": subject.system.recipe.system,
        "recipe": str(subject.session.resolved.path),
        "precision": runfolder.read_json(run / runfolder.ENVIRONMENT).get("precision", "fp32"),
    }


def inside(subject: Subject, format_name: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """What is zipped onto a LiteRT file, for when it leaves its bundle."""
    preprocess = dataclasses.asdict(subject.preprocess) if subject.takes_pictures else None
    found: dict[str, Any] = jsonable({"format": format_name, "source": source, "preprocess": preprocess, "decode": subject.system.decoding()})
    return found


def file(
    each: Finding,
    findings: Sequence[Finding],
    path: Path,
    signatures: Mapping[str, manifest.Signature],
    *,
    sample: manifest.Sample | None = None,
    calibrated: bool = False,
    qat_epochs: int = 0,
) -> manifest.File:
    """A file of a bundle.

    Args:
        each: What was found of it.
        findings: Of all files of the export, for ratios.
        path: Where it lies now.
        signatures: Of the file.
        sample: What it makes of the bundle's sample input.
        calibrated: Whether the bundle holds the names of calibration examples.
        qat_epochs: For how many epochs the int8 formats were fine-tuned.

    Returns:
        Its entry. Metrics that are no number are left out, for JSON has none.
    """
    form = each.format
    storage: dict[str, Any] = {"weights": form.weights, "activations": form.activations, "edges": form.edges, "notes": each.notes}
    if form.calibrated and each.float_ops:
        storage["float_ops"] = each.float_ops
    if form.calibrated and qat_epochs and form.activations == "int8":
        storage["qat_epochs"] = qat_epochs
    elif form.calibrated and calibrated:
        storage["calibration"] = CALIBRATION
    return manifest.File(
        path=each.path,
        format=form.name,
        bytes=bundle.size(path),
        sha256=bundle.sha256(path),
        signatures=signatures,
        minimum_runtime=each.minimum_runtime,
        quantization=jsonable(storage),
        metrics=_numbers(each.proof.metrics),
        proof=jsonable(page.row(each, findings)),
        sample=sample,
    )


def whole(
    subject: Subject, source: Mapping[str, Any], reference: Reference, files: Sequence[manifest.File], checksums: Mapping[str, str]
) -> manifest.Manifest:
    """The manifest of a bundle."""
    info = subject.session.pipeline.info
    return manifest.Manifest(
        name=subject.name,
        task=subject.system.task,
        files=tuple(files),
        preprocess=manifest.Preprocess(**dataclasses.asdict(subject.preprocess)) if subject.takes_pictures else None,
        labels=info.class_names,
        colours=info.palette,
        decode=subject.system.decoding(),
        metrics=_numbers(reference.metrics),
        source=source,
        versions=bundle.versions(),
        sample_input=f"{bundle.SAMPLE}/{samples.INPUT}",
        checksums=checksums,
    )


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
