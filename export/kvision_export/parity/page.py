"""What people and programs read of a bundle: report.html, which needs no network, proof.json and proof.csv."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import jinja2

from kvision.core import disk, words
from kvision.core.jsonable import jsonable
from kvision.report.page import environment
from kvision_export.parity import finding as judging
from kvision_export.parity.gates import POINT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision_export.parity.earlier import Earlier
    from kvision_export.parity.finding import Finding
    from kvision_export.parity.pictures import Pair
    from kvision_export.parity.proof import Reference

REPORT, JSON, CSV = "report.html", "proof.json", "proof.csv"
_WORST = 12


@dataclass(frozen=True)
class Report:
    """What a bundle's report tells.

    Attributes:
        name: Of the bundle.
        system: `family/name`.
        run: Where the weights come from, for people.
        reference: What the Keras networks reach.
        metric: The monitored metric.
        findings: Of every file of this export, good or rejected.
        pairs: Examples to look at.
        facts: What else is worth a line: seconds, versions, calibration.
        earlier: The other files of the bundle.
        before: Of these the one that suited a device best.
    """

    name: str
    system: str
    run: str
    reference: Reference
    metric: str
    findings: tuple[Finding, ...]
    pairs: tuple[Pair, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    earlier: tuple[Earlier, ...] = ()
    before: Finding | None = None

    @property
    def choice(self) -> Finding | None:
        """The smallest good file that is not slower than fp32: of this export, or the one that was chosen before."""
        able = [each for each in (judging.auto(self.findings), self.before) if each is not None]
        return min(able, key=lambda each: each.bytes, default=None)

    @property
    def rows(self) -> list[tuple[Finding, dict[str, Any]]]:
        """Every file of the bundle, with its figures."""
        return [*((each, row(each, self.findings)) for each in self.findings), *((each.finding, each.row) for each in self.earlier)]


def write(report: Report, folder: Path) -> tuple[Path, ...]:
    """Writes the three files.

    Args:
        report: What to tell.
        folder: The bundle, or where it is made.

    Returns:
        Their paths, report.html first.

    Raises:
        RunError: If the folder can't be written.
    """
    contents = {REPORT: render(report), JSON: to_json(report), CSV: to_csv(report)}
    with disk.writing(folder, "the report", "--out"):
        for name, text in contents.items():
            disk.replace(folder / name, text.encode())
    return tuple(folder / name for name in contents)


def row(each: Finding, findings: Sequence[Finding]) -> dict[str, Any]:
    """The figures of one file, flat: a line of proof.csv."""
    single, proof = judging.find(findings), each.proof
    found: dict[str, Any] = {
        "format": each.format.name,
        "path": each.path if each.kept else None,
        "verdict": "compared" if not each.kept else "good" if each.holds else "rejected",
        "bytes": each.bytes,
        "size_ratio": None if single is None else round(each.bytes / single.bytes, 4),
        "metric": proof.metric,
        "reference": proof.reference,
        "value": proof.value,
        "drop": proof.drop,
        "agreement": proof.agreement,
        "identical": proof.identical,
        "largest_error": max((error.largest for error in proof.errors.values()), default=0.0),
        "mean_error": max((error.mean for error in proof.errors.values()), default=0.0),
        "largest_error_of_range": proof.largest_share,
        "mean_error_of_range": proof.mean_share,
        "not_finite": proof.not_finite,
        "examples": proof.examples,
    }
    for threads in (1, 2):
        timing = each.latency.timings.get(threads) if each.latency else None
        ratio = judging.speed_up(each, findings, threads)
        found |= {
            f"p50_ms_{threads}": timing and timing.p50_ms,
            f"p90_ms_{threads}": timing and timing.p90_ms,
            f"speed_up_{threads}": None if ratio is None else round(ratio, 3),
        }
    return found | {
        "peak_bytes": each.latency and each.latency.peak_bytes,
        "ops": sum(each.ops.values()),
        "float_ops": len(each.float_ops),
        "minimum_runtime": each.minimum_runtime,
    }


def to_json(report: Report) -> str:
    """proof.json: every figure of every file; numbers that are none are null."""
    choice = report.choice
    files = []
    for each in report.findings:
        said = (judging.slower(each, report.findings), judging.busy(each))
        files.append(
            row(each, report.findings)
            | {
                "failures": each.failures,
                "notes": [*each.notes, *filter(None, said)],
                "metrics": each.proof.metrics,
                "errors": {name: asdict(error) for name, error in each.proof.errors.items()},
                "latency": each.latency and asdict(each.latency),
                "ops": each.ops,
                "float_ops": each.float_ops,
                "worst_layers": [asdict(layer) for layer in each.worst[:_WORST]],
                "repair": _steps(each),
                "proof_seconds": round(each.proof.seconds, 2),
            }
        )
    values = {
        "name": report.name,
        "system": report.system,
        "run": report.run,
        "reference": asdict(report.reference),
        "choice": choice and choice.format.name,
        "files": [*files, *(each.told for each in report.earlier)],
    }
    return json.dumps(jsonable(values), indent=1, ensure_ascii=False) + "\n"


def to_csv(report: Report) -> str:
    """proof.csv: one line a file."""
    rows = [values for _, values in report.rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["format"], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def render(report: Report) -> str:
    """report.html."""
    made = environment()
    loaders = [loader for loader in (jinja2.PackageLoader("kvision_export.parity"), made.loader) if loader is not None]
    made.loader = jinja2.ChoiceLoader(loaders)
    made.filters.update(busy=judging.busy, size=words.size, points=_points, share=_share)
    return made.get_template("bundle.html.j2").render(
        report=report,
        choice=report.choice,
        # Notes of earlier files say already whether they were slower.
        rows=[(each, values, judging.slower(each, report.findings) if each in report.findings else "") for each, values in report.rows],
        metrics=_metrics(report),
        most_worst=_WORST,
    )


def _steps(each: Finding) -> list[dict[str, Any]]:
    if each.repair is None:
        return []
    return [
        {"kept": step.kept, "bytes": step.bytes, "value": step.proof.value, "drop": step.proof.drop, "failures": step.failures}
        | ({"p50_ms_1": step.timing.p50_ms} if step.timing else {})
        for step in each.repair.steps
    ]


def _metrics(report: Report) -> list[tuple[str, list[float]]]:
    """Every metric: its name, and its value in Keras and in each file."""
    named: Mapping[str, float] = report.reference.metrics
    return [(name, [value, *(each.proof.metrics.get(name, math.nan) for each, _ in report.rows)]) for name, value in named.items()]


def _points(drop: float) -> str:
    """A drop in points with its sign turned, so that a loss reads as one."""
    text = f"{-drop / POINT:+.2f}"
    return "—" if math.isnan(drop) else "0.00" if float(text) == 0 else text.replace("-", "−")


def _share(value: float) -> str:
    return "NaN" if math.isnan(value) else "under 0.001 %" if 0 < value < 1e-5 else f"{100 * value:.2g} %"
