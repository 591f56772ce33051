"""What the proof of an earlier export tells of files that are still in the bundle: their figures stay as they were measured then."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision_export.formats import FORMATS
from kvision_export.parity.finding import Finding
from kvision_export.parity.proof import OutputError, Proof

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_FIGURES = ("reference", "value", "drop", "largest_error", "mean_error", "largest_error_of_range", "mean_error_of_range")


@dataclass(frozen=True)
class Earlier:
    """A file of an earlier export.

    Attributes:
        finding: What is known of it, but for times and layers.
        told: Its entry in proof.json.
    """

    finding: Finding
    told: Mapping[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """As `page.row`."""
        counts = {"ops": sum(self.told["ops"].values()), "float_ops": len(self.told["float_ops"])}
        return {**self.told, **{name: _number(self.told[name]) for name in _FIGURES}, **counts}


def read(proof: Path, again: Collection[str]) -> tuple[Earlier, ...]:
    """The files that an earlier export told of and that are still there, rejected ones too.

    Args:
        proof: Its proof.json, in the bundle.
        again: Names of the formats that were made anew.

    Returns:
        They; none where there is no such file, or it can't be understood.
    """
    try:
        told = [each for each in json.loads(proof.read_bytes())["files"] if each["path"] and each["format"] not in again]
        return tuple(Earlier(_finding(each), each) for each in told if (proof.parent / each["path"]).exists())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _finding(told: Mapping[str, Any]) -> Finding:
    errors = {
        name: OutputError(_number(each["largest"]), _number(each["mean"]), _number(each["range"]), each["not_finite"])
        for name, each in told["errors"].items()
    }
    proof = Proof(
        metrics={name: _number(value) for name, value in told["metrics"].items()},
        metric=told["metric"],
        reference=_number(told["reference"]),
        value=_number(told["value"]),
        drop=_number(told["drop"]),
        agreement=told["agreement"],
        identical=told.get("identical"),
        errors=errors,
        examples=told["examples"],
        seconds=told["proof_seconds"],
    )
    return Finding(
        format=FORMATS[told["format"]],
        path=told["path"],
        bytes=told["bytes"],
        proof=proof,
        failures=tuple(told["failures"]),
        ops=told["ops"],
        float_ops=tuple(told["float_ops"]),
        minimum_runtime=told["minimum_runtime"],
        notes=tuple(told["notes"]),
    )


def _number(value: float | None) -> float:
    """JSON has no number for what is none."""
    return math.nan if value is None else value
