"""What an exported file must hold, and in words what it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvision.core import words
from kvision.core.errors import UsageError
from kvision.core.names import did_you_mean
from kvision_export.formats import FORMATS
from kvision_export.parity import layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision_export.formats import Format
    from kvision_export.parity.proof import Proof

POINT = 0.01
"""One point of a metric; of one on the scale of the data (`System.relative`), one per cent of what the networks reach."""
DECISIONS = "decisions"
"""In `System.gates`, the share of decisions that may be others than the networks'."""


_ADVICE = {
    "fp32": "the conversion changed what is computed: export it again, or report it with the run",
    "fp16": "some values do not fit float16; use --to tflite-fp32",
    "dynamic": "use --to tflite-int8-full with calibration, or --to tflite-fp16",
    "quantized": "use --repair (keeps the worst layers in float), --qat (fine-tunes with quantization), or --to tflite-fp16",
    "quantized, not tuned": "use --repair (keeps the worst layers in float), or --to tflite-dynamic",
}


@dataclass(frozen=True)
class Limit:
    """What a file of one format may lose.

    Attributes:
        most: Drop of the monitored metric, in its own unit; for `fp32`, largest output error as a share of the outputs' range.
        of_range: Whether it is such a share.
        default: What the system asks for.
    """

    most: float
    of_range: bool
    default: float

    @property
    def note(self) -> str:
        """That the user loosened or tightened it, for manifest and report; empty where it is the system's own."""
        if self.most == self.default:
            return ""
        return f"{'loosened' if self.most > self.default else 'tightened'} by --gate from {self._text(self.default)} to {self._text(self.most)}"

    def _text(self, value: float) -> str:
        return f"{value:.3g} of the range" if self.of_range else f"{value / POINT:.2f} points"


def overrides(texts: Sequence[str]) -> dict[str, float]:
    """The user's own limits.

    Args:
        texts: `KIND=POINTS` of one of `System.gates` or of one format, such as `quantized=2.0` or `int8-full=2.0`; of those in float32,
            `fp32=SHARE` of the outputs' range; `decisions=PER_CENT` that may be others than the networks'.

    Returns:
        By the format's full name, in the units of `Limit.most`; `decisions` as a share.

    Raises:
        UsageError: If a kind is unknown, or a value is no number of 0 or more.
    """
    kinds: dict[str, list[Format]] = {}
    for each in FORMATS.values():
        kinds.setdefault(each.gate, []).append(each)
    for each in FORMATS.values():
        kinds |= {name: [each] for name in (each.name, each.short) if name not in kinds}
    found: dict[str, float] = {}
    for text in texts:
        kind, _, value = (part.strip() for part in text.partition("="))
        if kind not in (*kinds, DECISIONS):
            raise UsageError(f"--gate {text}: expected KIND=POINTS with one of {', '.join((*kinds, DECISIONS))}{did_you_mean(kind, list(kinds))}")
        of_range = kind in kinds and kinds[kind][0].gate == "fp32"
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            unit = "a share of the outputs' range, such as 1e-4" if of_range else "points of the metric, such as 1.5"
            raise UsageError(f"--gate {text}: got {value!r}, expected {unit}")
        names = [DECISIONS] if kind == DECISIONS else [each.name for each in kinds[kind]]
        found |= dict.fromkeys(names, number if of_range else number * POINT)
    return found


def limit(chosen: Format, gates: Mapping[str, float], changed: Mapping[str, float] | None = None) -> Limit:
    """The limit of a format: the system's, or the user's own.

    Args:
        chosen: The format.
        gates: `System.gates`.
        changed: What `overrides` gave.

    Returns:
        It.
    """
    default = gates[chosen.gate]
    return Limit((changed or {}).get(chosen.name, default), chosen.gate == "fp32", default)


def judge(
    proof: Proof,
    chosen: Format,
    gates: Mapping[str, float],
    *,
    float_ops: Sequence[str] = (),
    kept: Sequence[str] = (),
    changed: Mapping[str, float] | None = None,
    tunes: bool = True,
) -> list[str]:
    """What a file does not hold.

    Args:
        proof: Of the file.
        chosen: Its format.
        gates: `System.gates`.
        float_ops: Operations that compute in floats, as counted in the file: `OP output tensor`.
        kept: Output tensors of those that were kept in float on purpose; of a full int8 file no others may be in float.
        changed: What `overrides` gave.
        tunes: Whether `--qat` is for this system.

    Returns:
        Each failure as a sentence with its figures; none: the file holds.
    """
    failures = []
    if proof.not_finite:
        names = ", ".join(name for name, error in proof.errors.items() if error.not_finite)
        failures.append(f"{proof.not_finite:,} values of {names} are NaN or infinite; the file is broken: export it again, or report it with the run")
    else:
        others = {**gates, **(changed or {})}.get(DECISIONS)
        advice = _ADVICE[chosen.gate if tunes or chosen.gate != "quantized" else "quantized, not tuned"]
        found = (_lost(proof, limit(chosen, gates, changed), advice), "" if others is None else _decided(proof, others, advice))
        failures += [failure for failure in found if failure]
    left = [each for each in float_ops if layers.unmarked(each.partition(" ")[2]) not in kept]
    if chosen.edges != "float32" and left:
        failures.append(
            f"it is not {chosen.short}, with {words.counted(len(left), 'operation')} in float ({words.listed(left, 6)}); "
            "use --to tflite-int8, which may, or take the layers that cause them out of the network"
        )
    return failures


def _lost(proof: Proof, bound: Limit, advice: str) -> str:
    """The loss that is too great, or nothing; a value that is no number is too great."""
    if bound.of_range:
        if proof.largest_share <= bound.most:
            return ""
        worst = max(proof.errors, key=lambda name: proof.errors[name].largest_share)
        error = proof.errors[worst]
        return (
            f"{worst} differs from the network's by up to {error.largest:.3g}, {error.largest_share:.2g} of its range, where {bound.most:.2g} "
            f"is allowed; {advice}"
        )
    if proof.drop <= bound.most:
        return ""
    return (
        f"{proof.metric} falls from {proof.reference:.4f} to {proof.value:.4f}, by {proof.drop / POINT:.2f} points, where {bound.most / POINT:.2f} "
        f"are allowed; {advice}"
    )


def _decided(proof: Proof, others: float, advice: str) -> str:
    """That too many decisions are others than the networks', or nothing."""
    if proof.agreement is None or 1 - proof.agreement <= others:
        return ""
    return f"only {proof.agreement:.2%} of its decisions are the network's, where {1 - others:.2%} are asked for; {advice}"
