"""All that was found of one exported file, and the choice between files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kvision.core import words
from kvision_export.formats import FP32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision_export.formats import Format
    from kvision_export.parity.latency import Latency
    from kvision_export.parity.layers import LayerLoss
    from kvision_export.parity.proof import Proof
    from kvision_export.parity.repair import Repair


@dataclass(frozen=True)
class Finding:
    """What is known of one file of a bundle.

    Attributes:
        format: Its format.
        path: In the bundle.
        bytes: Its size.
        proof: What it does on the validation split.
        failures: What it does not hold, in words; none: it is good.
        latency: What it costs to run; none for a SavedModel.
        ops: How often each operation occurs, over all signatures.
        float_ops: Operations that compute in floats.
        minimum_runtime: Oldest runtime that runs it.
        worst: Layers that lose most, where it was rejected.
        repair: The trials to mend it, if it was tried.
        notes: What else a reader should know, such as a gate that was loosened.
        kept: Whether it is in the bundle, or among its rejected files; else it was made to compare the others with.
    """

    format: Format
    path: str
    bytes: int
    proof: Proof
    failures: tuple[str, ...] = ()
    latency: Latency | None = None
    ops: Mapping[str, int] = field(default_factory=dict)
    float_ops: tuple[str, ...] = ()
    minimum_runtime: str = ""
    worst: tuple[LayerLoss, ...] = ()
    repair: Repair | None = None
    notes: tuple[str, ...] = ()
    kept: bool = True

    @property
    def holds(self) -> bool:
        """Whether it holds its gate."""
        return not self.failures


def find(findings: Sequence[Finding], name: str = FP32) -> Finding | None:
    """The file of a format; none if there is none."""
    return next((each for each in findings if each.format.name == name), None)


def speed_up(finding: Finding, findings: Sequence[Finding], threads: int = 1) -> float | None:
    """How many times as fast as the fp32 file of the same measurement, by medians; none where that is not known."""
    single = find(findings)
    if single is None or single.latency is None or finding.latency is None or threads not in finding.latency.timings:
        return None
    return single.latency.timings[threads].p50_ms / finding.latency.timings[threads].p50_ms


def slower(finding: Finding, findings: Sequence[Finding]) -> str:
    """That a file is slower than the fp32 one, with figures; empty where it is not, or within 5%, what two runs of one file may differ by."""
    ratio = speed_up(finding, findings)
    if ratio is None or ratio >= 0.95 or finding.format.name == FP32:
        return ""
    single = find(findings)
    if finding.latency is None or single is None or single.latency is None:
        return ""
    mine, theirs = finding.latency.timings[1].p50_ms, single.latency.timings[1].p50_ms
    return f"slower than fp32: {words.number(mine)} ms against {words.number(theirs)} ms at 1 thread, {1 / ratio:.1f} times as long"


def busy(finding: Finding) -> str:
    """That other programs took the processor during nearly every call, so that times and speed-up are not to be trusted; else empty."""
    timings = finding.latency.timings if finding.latency is not None else {}
    counts = [str(threads) for threads, timing in timings.items() if timing.disturbed >= 1]
    return (
        f"timed on a busy machine: other programs interrupted the calls at {' and '.join(counts)} threads; time it again on a quiet one"
        if counts
        else ""
    )


def auto(findings: Sequence[Finding]) -> Finding | None:
    """The smallest LiteRT file that is kept, holds its gate, and is not slower than fp32, nor could not be timed while fp32 could.

    Args:
        findings: Of a bundle, the fp32 file among them, kept or not.

    Returns:
        The choice; none if no file holds.
    """
    single = find(findings)
    timed = single is not None and single.latency is not None
    good = [each for each in findings if each.format.is_tflite and each.kept and each.holds and not slower(each, findings)]
    good = [each for each in good if each.latency is not None or not timed]
    return min(good, key=lambda each: each.bytes, default=None)
