"""LiteRT files: each is made, timed, run on the whole validation split, judged, and mended if that was asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kvision.core import words
from kvision_export import formats
from kvision_export.errors import ExportError
from kvision_export.parity import finding, gates, latency, layers, proof, repair
from kvision_export.tflite import calibration, convert, flatbuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from kvision_export.formats import Format
    from kvision_export.parity.finding import Finding
    from kvision_export.parity.proof import Reference
    from kvision_export.parity.repair import Repair
    from kvision_export.subject import Subject
    from kvision_export.tflite.calibration import Calibration
    from kvision_export.tflite.convert import Converted

WORST_SHOWN = 8


@dataclass(frozen=True)
class Options:
    """How to export.

    Attributes:
        batch: Batch size of the LiteRT files.
        runtime: Oldest interpreter that must run them: `2.14`, `2.17` or `litert2`.
        calibration: Training images that ranges are measured on.
        qat_epochs: Epochs of quantization-aware fine-tuning before the calibrated formats; 0: none.
        repair: Keep the worst layers of a file that misses its gate in float.
        auto: Keep only the best LiteRT file.
        allow_flex: Allow TensorFlow's own ops.
        version: Of the SavedModel; none: the next.
        gates: As `gates.overrides` gives them.
        time_limit_s: For the conversion of one file.
    """

    batch: int = 1
    runtime: str = "litert2"
    calibration: int = calibration.COUNT
    qat_epochs: int = 0
    repair: bool = False
    auto: bool = False
    allow_flex: bool = False
    version: int | None = None
    gates: Mapping[str, float] = field(default_factory=dict)
    time_limit_s: float = 600.0


@dataclass(frozen=True)
class Lite:
    """What came of the LiteRT files.

    Attributes:
        findings: Of each file that was made.
        files: Where each is, in the staging folder, by format.
        refused: Why a format could not be made.
        calibration: The training images; none if no format needed them.
    """

    findings: tuple[Finding, ...]
    files: Mapping[Format, Path]
    refused: Mapping[Format, str]
    calibration: Calibration | None


def make(
    subject: Subject,
    wanted: Sequence[Format],
    folder: Path,
    reference: Reference,
    options: Options,
    tell: Callable[[str], None],
    *,
    tuned: Subject | None = None,
) -> Lite:
    """Makes and proves LiteRT files; the fp32 one is among them, for the others are measured against it.

    Args:
        subject: What is exported.
        wanted: The formats.
        folder: Where to make them.
        reference: What the Keras networks reach.
        options: How.
        tell: Is told what is being done.
        tuned: The subject after quantization-aware fine-tuning, for the int8 formats; none: they are calibrated.

    Returns:
        What was found of each.
    """
    chosen = [formats.FORMATS[formats.FP32], *(each for each in wanted if each.name != formats.FP32)]
    calibrated = [each for each in chosen if each.calibrated]
    ranges = None
    if calibrated:
        tell(f"choosing {options.calibration} training images for calibration")
        ranges = calibration.choose(subject, options.calibration)
    tell(f"converting {', '.join(each.short for each in chosen)}")
    trained = [each for each in chosen if tuned is not None and each.activations == "int8"]
    made = _converted(subject, [each for each in chosen if each not in trained], folder, ranges, options)
    if tuned is not None:
        made |= _converted(tuned, trained, folder, ranges, options, trained_ranges=True)
    good = {each: result for each in chosen if isinstance(result := made[each], convert.Converted)}
    exact = good[formats.FORMATS[formats.FP32]].path if formats.FORMATS[formats.FP32] in good else None
    refused = {each: str(result) for each, result in made.items() if isinstance(result, ExportError)}
    found, files = [], {}
    for each, result in good.items():
        tell(f"proving {each.name} on {words.counted(reference.count, 'validation image')}")
        try:
            judged = _judged(subject, each, result, reference, options)
        except ExportError as error:  # some files can be made and not be run
            refused[each] = f"{each.name}: {error}"
            continue
        files[each] = result.path
        if not judged.holds and each.gate != "fp32" and exact is not None:
            looked = ranges or calibration.choose(subject, layers.EXAMPLES)
            try:
                judged, files[each] = _mended(subject, judged, result, exact, reference, looked, options, tell)
            except ExportError as error:
                judged = replace(judged, notes=(*judged.notes, f"could not be mended, or its layers not be compared: {error}"))
        found.append(judged)
    tell("measuring latencies")
    times = latency.measure({each.name: path for each, path in files.items()})
    found = [replace(each, latency=times[each.format.name]) for each in found]
    return Lite(tuple(found), files, refused, ranges)


def _converted(
    subject: Subject, chosen: Sequence[Format], folder: Path, ranges: Calibration | None, options: Options, *, trained_ranges: bool = False
) -> dict[Format, Converted | ExportError]:
    return convert.convert_many(
        subject,
        {each: folder / f"{subject.name}-{each.short}.tflite" for each in chosen},
        calibration=ranges,
        batch=options.batch,
        runtime=options.runtime,
        allow_flex=options.allow_flex,
        timeout_s=options.time_limit_s,
        trained_ranges=trained_ranges,
    )


def _judged(subject: Subject, chosen: Format, made: Converted, reference: Reference, options: Options, *, mended: Repair | None = None) -> Finding:
    """What a file does and whether it holds."""
    facts = flatbuffer.inspect(made.path)
    kept = mended.mended.kept if mended is not None and mended.mended is not None else ()
    proven = proof.prove(subject, made.path, reference)
    limits = subject.system.gates
    failures = gates.judge(proven, chosen, limits, float_ops=facts.float_ops, kept=kept, changed=options.gates)
    bound = gates.limit(chosen, limits, options.gates)
    return finding.Finding(
        format=chosen,
        path=made.path.name,
        bytes=made.path.stat().st_size,
        proof=proven,
        failures=tuple(failures),
        ops=dict(sum(facts.ops.values(), start=Counter[str]())),
        float_ops=tuple(facts.float_ops),
        minimum_runtime=facts.minimum_runtime,
        notes=tuple(note for note in (*made.notes, bound.note) if note),
    )


def _mended(
    subject: Subject,
    missed: Finding,
    first: Converted,
    exact: Path,
    reference: Reference,
    ranges: Calibration,
    options: Options,
    tell: Callable[[str], None],
) -> tuple[Finding, Path]:
    """A file that misses its gate: the layers that lose most, and, if asked for, the file with as few of them as will do in float."""
    path = first.path
    if not options.repair:
        tell(f"{missed.format.name} misses its gate: looking for the layers that lose most")
        return replace(missed, worst=tuple(layers.rank(exact, path, ranges.inputs)[:WORST_SHOWN])), path
    tell(f"{missed.format.name} misses its gate: keeping its worst layers in float")
    trials = {path: first}

    def make(kept: Collection[str]) -> Path:
        out = path.with_name(f"{path.stem}-{len(trials)}.tflite")
        trials[out] = convert.convert(
            subject,
            missed.format,
            out,
            calibration=ranges,
            batch=options.batch,
            runtime=options.runtime,
            allow_flex=options.allow_flex,
            timeout_s=options.time_limit_s,
            keep_float=kept,
        )
        return out

    tried = repair.repair(subject, missed.format, path, exact, reference, make, ranges.inputs, changed=options.gates)
    if tried.mended is None:
        return replace(missed, worst=tried.worst[:WORST_SHOWN], repair=tried), path
    step = tried.mended
    done = trials[step.path]
    made = replace(done, notes=(*done.notes, f"repaired: {words.counted(len(step.kept), 'operation')} kept in float"))
    judged = _judged(subject, missed.format, made, reference, options, mended=tried)
    return replace(judged, path=missed.path, repair=tried, worst=tried.worst[:WORST_SHOWN]), step.path
