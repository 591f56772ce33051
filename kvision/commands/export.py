"""`kvision export`: from a run to a bundle of proven files."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from kvision.commands import trained
from kvision.core import words
from kvision.core.errors import UsageError
from kvision.core.jsonable import jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kvision_export.flow import Result
    from kvision_export.formats import Format
    from kvision_export.subject import Subject

MISSED = 4
"""Exit code when a file misses its gate or could not be made."""
BUNDLE = "bundle"
_WIDTH = 160
"""Of the table at most, characters: its figures are not to be cut where the output is no terminal, or a narrow one."""


def run(
    source: str | Path,
    to: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    weights: str = "best",
    auto: bool = False,
    repair: bool = False,
    qat_epochs: int = 0,
    calibration: int = 200,
    gates: Sequence[str] = (),
    runtime: str = "litert2",
    batch: int = 1,
    version: int | None = None,
    allow_flex: bool = False,
    time_limit: float = 600,
    json_lines: bool = False,
) -> int:
    """Exports a trained model, and proves every file.

    Args:
        source: A run folder, a checkpoint in it, or its `model.keras`.
        to: Formats, separated by commas or one by one; none: the SavedModel, fp32, and the format that suits the system's family on a device.
        out: The bundle; none: `bundle` in the run folder.
        weights: `best`, `last` or `ema`.
        auto: Keep only the smallest LiteRT file that holds its gate and is not slower than fp32; of all formats if none is given.
        repair: Keep the worst layers of a file that misses its gate in float.
        qat_epochs: Epochs of quantization-aware fine-tuning; 0: none.
        calibration: Training images that ranges are measured on.
        gates: Other limits, `FORMAT=POINTS`.
        runtime: Oldest interpreter that must run the LiteRT files: `2.14`, `2.17` or `litert2`.
        batch: Batch size of the LiteRT files.
        version: Of the SavedModel; none: the next.
        allow_flex: Allow TensorFlow's own ops in LiteRT files.
        time_limit: Seconds for the conversion of one file.
        json_lines: One JSON object a file on the standard output.

    Returns:
        The exit code: 0, or 4 if a file misses its gate or could not be made.

    Raises:
        UsageError: If the options do not fit, or the source is no run but was exported.
        RunError: If the run can't be used, or the bundle's folder not be written.
        ExportError: If the system can't be exported.
    """
    from kvision_export import formats
    from kvision_export.parity import gates as gating

    wanted = formats.parse(to)
    changed = gating.overrides(gates)
    if repair and qat_epochs:
        raise UsageError("--repair with --qat: give one of them; a file of --qat has trained ranges for every layer")
    found = trained.find(Path(source), weights)
    if found.exported is not None:
        raise UsageError(f"{source}: was exported already, from the run {found.run}; give that run")
    folder = Path(out) if out is not None else found.run / BUNDLE
    from kvision_export import flow, lite  # brings TensorFlow: after the quick mistakes

    options = lite.Options(batch, runtime, calibration, qat_epochs, repair, auto, allow_flex, version, changed, time_limit)
    subject = _opened(found)
    if subject.system.not_exported:
        raise UsageError(subject.system.not_exported)
    if qat_epochs and subject.system.plays:
        raise UsageError(f"--qat fine-tunes on labelled examples, and {subject.system.recipe.system} learns by acting; use --repair")
    if not wanted:
        wanted = _suited(subject, everything=auto)
    result = flow.export(subject, wanted, folder, options, _teller())
    if json_lines:
        _print_json(result)
    else:
        _print_table(result)
    return MISSED if result.failed else 0


def open_subject(source: Path, weights: str = "best") -> Subject:
    """Opens a trained system for export.

    Args:
        source: A run folder, a checkpoint in it, or its `model.keras`.
        weights: `best`, `last` or `ema`.

    Returns:
        The system in float32 on the CPU, with the run's data.
    """
    return _opened(trained.find(source, weights))


def _opened(found: trained.Trained) -> Subject:
    from kvision_export.subject import Subject

    session = trained.open_session(found, devices="cpu", precision="fp32")
    return Subject(session, found.run, found.origin, found.weights, found.run.resolve().name)


def _suited(subject: Subject, *, everything: bool) -> tuple[Format, ...]:
    """What is exported when no format is asked for."""
    from kvision_export import formats

    if everything:
        return tuple(each for each in formats.FORMATS.values() if each.is_tflite)
    return formats.parse([formats.SAVEDMODEL, formats.FP32, subject.system.device_format])


def _teller() -> Callable[[str], None]:
    """Says on the standard error what is being done, with the seconds since the start."""
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    return tell


def _print_json(result: Result) -> None:
    from kvision_export.parity import page

    for each in result.report.findings:
        print(json.dumps(jsonable(page.row(each, result.report.findings) | {"failures": each.failures, "notes": each.notes})))
    for chosen, why in result.refused.items():
        print(json.dumps({"format": chosen.name, "verdict": "not made", "failures": [why]}))
    choice = result.choice.format.name if result.choice else None
    print(json.dumps({"bundle": str(result.out), "choice": choice, "failed": result.failed}))


def _print_table(result: Result) -> None:
    from kvision_export.parity import finding, gates

    findings = result.report.findings
    console = Console(soft_wrap=True, width=_WIDTH)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("format", no_wrap=True)
    for column in ("size", "of fp32", result.report.metric, "points", "same", "ms", "speed", "runtime"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    single = finding.find(findings)
    for each in findings:
        speed = finding.speed_up(each, findings)
        table.add_row(
            each.format.short,
            words.size(each.bytes),
            "" if single is None or not each.format.is_tflite else f"{each.bytes / single.bytes:.2f}x",
            f"{each.proof.value:.4f}",
            f"{0.0 - round(each.proof.drop / gates.POINT, 2):+.2f}",
            "" if each.proof.agreement is None else f"{100 * each.proof.agreement:.1f}%",
            "" if each.latency is None else words.number(each.latency.timings[1].p50_ms),
            "" if speed is None else f"{speed:.1f}x",
            each.minimum_runtime,
            "compared" if not each.kept else "[green]holds[/]" if each.holds else "[red]rejected[/]",
        )
    console.print(table, "")
    for each in findings:
        slower = finding.slower(each, findings)
        for remark in (*each.failures, *each.notes, *([slower] if slower else [])):
            print(f"{each.format.name}: {remark}", file=sys.stderr if each.failures else sys.stdout)
        for layer in each.worst:
            print(f"  {layer.op} {layer.layer}: adds {layer.added:.3f} of error", file=sys.stderr)
    for why in result.refused.values():
        print(f"error: {why}", file=sys.stderr)
    if result.choice is not None:
        print(f"For a device: {result.out / result.choice.path} (the smallest that holds and is not slower than fp32)")
    print(f"{result.out / 'report.html'}")
