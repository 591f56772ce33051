"""Mends a quantized file that misses its gate: its worst few layers stay in float, as few as will do, and the price of each step is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvision_export.parity import gates as gating
from kvision_export.parity import latency, layers
from kvision_export.parity import proof as proving
from kvision_export.tflite import flatbuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from kvision_export.formats import Format
    from kvision_export.parity.latency import Timing
    from kvision_export.parity.layers import LayerLoss
    from kvision_export.parity.proof import Proof, Reference
    from kvision_export.subject import Subject

    Make = Callable[[Collection[str]], Path]

MOST_SHARE = 0.5
"""Beyond this share of the layers in float, a file is no quantized one any more."""
MOST_TRIED = 8
"""Up to so many spared tensors it is tried whether one by one may be quantized after all."""


@dataclass(frozen=True)
class Step:
    """One trial.

    Attributes:
        kept: Output tensors of the operations kept in float, as `tflite.convert(keep_float=...)` takes them.
        path: The file.
        bytes: Its size.
        proof: Of the file.
        failures: What it does not hold; none: it is mended.
        timing: Single-threaded, against the other steps in one measurement; none before all are made, or if it could not be timed.
    """

    kept: tuple[str, ...]
    path: Path
    bytes: int
    proof: Proof
    failures: tuple[str, ...]
    timing: Timing | None = None


@dataclass(frozen=True)
class Repair:
    """What came of it.

    Attributes:
        worst: The layers, what loses most first.
        steps: The trials, fewest layers in float first; the first is the file as it was.
        fp32: Of the file in float, in the same measurement; none if it could not be timed.
    """

    worst: tuple[LayerLoss, ...]
    steps: tuple[Step, ...]
    fp32: Timing | None

    @property
    def mended(self) -> Step | None:
        """The first trial that holds its gate; none if none does."""
        return next((step for step in self.steps if not step.failures), None)


def repair(
    subject: Subject,
    chosen: Format,
    file: Path,
    exact: Path,
    reference: Reference,
    make: Make,
    inputs: Mapping[str, Mapping[str, np.ndarray]],
    *,
    proven: Proof | None = None,
    changed: Mapping[str, float] | None = None,
) -> Repair:
    """Keeps 1, 2, 4, 8 ... of the tensors that lose most out of quantization until the gate holds, and then quantizes again those that may be.

    A tensor is spared by keeping the operations that make and use it in float.

    Args:
        subject: What is exported.
        chosen: The format that was asked for.
        file: The file that misses its gate.
        exact: The fp32 file.
        reference: What `proof.refer` gave.
        make: Converts again with the operations of these output tensors in float; each call gives another file.
        inputs: Calibration inputs `[N, ...]` by signature and name, to find the worst layers with.
        proven: Of `file`, where it is known: proofs take long.
        changed: What `gates.overrides` gave.

    Returns:
        The trials; `mended` is the one to take.

    Raises:
        ExportError: If a file can't be made or run.
    """
    worst = layers.rank(exact, file, inputs)

    def tried(spared: Sequence[LayerLoss], path: Path | None = None, proven: Proof | None = None) -> Step:
        kept = _kept(spared)
        made = path or make(kept)
        found = proven or proving.prove(subject, made, reference)
        float_ops = flatbuffer.inspect(made).float_ops
        failures = gating.judge(found, chosen, subject.system.gates, float_ops=float_ops, kept=kept, changed=changed)
        return Step(kept, made, made.stat().st_size, found, tuple(failures))

    steps = [tried((), file, proven)]
    spared: Sequence[LayerLoss] = ()
    for spared in _growing(worst) if steps[0].failures else ():
        steps.append(tried(spared))
        if not steps[-1].failures:
            break
    if not steps[-1].failures:
        for layer in spared if 1 < len(spared) <= MOST_TRIED else ():
            fewer = [each for each in spared if each is not layer]
            if fewer and set(_kept(fewer)) != set(_kept(spared)):
                steps.append(tried(fewer))
                spared = spared if steps[-1].failures else fewer
    return _timed(tuple(worst), sorted(steps, key=lambda step: len(step.kept)), exact)


def _growing(worst: Sequence[LayerLoss]) -> Iterator[Sequence[LayerLoss]]:
    """The worst tensors, twice as many each time, up to a share of all operations."""
    total, count = len(_kept(worst)), 1
    while count <= len(worst) and len(_kept(worst[:count])) <= max(MOST_SHARE * total, 3):
        yield worst[:count]
        count *= 2


def _kept(spared: Sequence[LayerLoss]) -> tuple[str, ...]:
    """The operations that touch these tensors, each once."""
    return tuple(dict.fromkeys(name for layer in spared for name in layer.touching))


def _timed(worst: tuple[LayerLoss, ...], steps: Sequence[Step], exact: Path) -> Repair:
    """The trials with their times, all measured by turns with the file in float."""
    files = {str(number): step.path for number, step in enumerate(steps)}
    found = latency.measure({"fp32": exact, **files}, threads=(1,), budget_s=1.0 + 0.5 * len(steps))
    timings = {name: each.timings[1] if isinstance(each, latency.Latency) else None for name, each in found.items()}
    return Repair(worst, tuple(replace(step, timing=timings[str(number)]) for number, step in enumerate(steps)), timings["fp32"])
