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
    from kvision_export.parity.latency import Latency
    from kvision_export.parity.proof import Proof, Reference
    from kvision_export.subject import Subject
    from kvision_export.tflite.calibration import Calibration
    from kvision_export.tflite.convert import Converted

WORST_SHOWN = 8
REPAIRED = "-repaired"
"""In the name of a file some of whose layers stayed in float."""


@dataclass(frozen=True)
class Options:
    """How to export.

    Attributes:
        batch: Batch size of the LiteRT files.
        runtime: Oldest interpreter that must run them: `2.14`, `2.17` or `litert2`.
        calibration: Training examples that ranges are measured on.
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

    @property
    def conversion(self) -> convert.Options:
        """What of it the conversion of every file is told."""
        return {"batch": self.batch, "runtime": self.runtime, "allow_flex": self.allow_flex, "timeout_s": self.time_limit_s}


@dataclass(frozen=True)
class Lite:
    """What came of the LiteRT files.

    Attributes:
        findings: Of each file that was made.
        files: Where each is, in the staging folder, by format.
        refused: Why a format could not be made.
        calibration: The training examples; none if no format needed them.
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
    return _Making(subject, folder, reference, options, tell).files(wanted, tuned)


def _timed(each: Finding, time: Latency | ExportError) -> Finding:
    """With its latency; a file that could not be timed says so."""
    if isinstance(time, ExportError):
        return replace(each, notes=(*each.notes, f"no latency, and so no choice for a device: {time}"))
    return replace(each, latency=time)


def file_name(subject: Subject, form: Format) -> str:
    """What a LiteRT file is called, unless some of its layers stayed in float: see `REPAIRED`."""
    return f"{subject.name}-{form.short}.tflite"


class _Making:
    """LiteRT files of one subject on their way."""

    def __init__(self, subject: Subject, folder: Path, reference: Reference, options: Options, tell: Callable[[str], None]) -> None:
        self.subject, self.folder, self.reference, self.options, self.tell = subject, folder, reference, options, tell
        self.ranges: Calibration | None = None

    def files(self, wanted: Sequence[Format], tuned: Subject | None) -> Lite:
        """As `make`."""
        fp32 = formats.FORMATS[formats.FP32]
        chosen = [fp32, *(each for each in wanted if each != fp32)]
        made = self._converted(chosen, tuned)
        good = {each: result for each in chosen if isinstance(result := made[each], convert.Converted)}
        refused = {each: str(result) for each, result in made.items() if isinstance(result, ExportError)}
        exact = good[fp32].path if fp32 in good else None
        found, files = [], {}
        for each, result in good.items():
            self.tell(f"proving {each.name} on {words.counted(self.reference.count, 'validation example')}")
            try:
                judged, path = self._judged(each, result, proof.prove(self.subject, result.path, self.reference)), result.path
            except ExportError as error:  # some files can be made and not be run
                refused[each] = f"{each.name}: {error}"
                continue
            if not judged.holds and each.gate != "fp32" and exact is not None:
                looked = self.ranges or calibration.choose(self.subject, layers.EXAMPLES)
                try:
                    judged, path = self._mended(judged, result, exact, looked)
                except ExportError as error:
                    judged = replace(judged, notes=(*judged.notes, f"could not be mended, or its layers not be compared: {error}"))
            found.append(judged)
            files[each] = path
        self.tell("measuring latencies")
        times = latency.measure({each.name: path for each, path in files.items()})
        return Lite(tuple(_timed(each, times[each.format.name]) for each in found), files, refused, self.ranges)

    def _converted(self, chosen: Sequence[Format], tuned: Subject | None) -> dict[Format, Converted | ExportError]:
        if any(each.calibrated for each in chosen):
            self.tell(f"choosing {self.options.calibration} training examples for calibration")
            self.ranges = calibration.choose(self.subject, self.options.calibration)
        self.tell(f"converting {', '.join(each.short for each in chosen)}")
        outs = {each: self.folder / file_name(self.subject, each) for each in chosen}
        trained = {each: out for each, out in outs.items() if tuned is not None and each.activations == "int8"}
        others = {each: out for each, out in outs.items() if each not in trained}
        options: convert.Options = {**self.options.conversion, "calibration": self.ranges}
        made = convert.convert_many(self.subject, others, **options)
        if tuned is not None:
            of_tuned: convert.Options = {**options, "trained_ranges": True}
            made |= convert.convert_many(tuned, trained, **of_tuned)
        return made

    def _judged(self, chosen: Format, made: Converted, proven: Proof, kept: Collection[str] = ()) -> Finding:
        """What a file does and whether it holds; `kept` are the layers that stayed in float on purpose."""
        facts, limits = flatbuffer.inspect(made.path), self.subject.system.gates
        tunes = not self.subject.system.plays
        failures = gates.judge(proven, chosen, limits, float_ops=facts.float_ops, kept=tuple(kept), changed=self.options.gates, tunes=tunes)
        bound = gates.limit(chosen, limits, self.options.gates)
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

    def _mended(self, missed: Finding, first: Converted, exact: Path, looked: Calibration) -> tuple[Finding, Path]:
        """A file that misses its gate: the layers that lose most, and, if asked for, the file with as few of them as will do in float."""
        path, form = first.path, missed.format
        if not self.options.repair:
            self.tell(f"{form.name} misses its gate: looking for the layers that lose most")
            return replace(missed, worst=tuple(layers.rank(exact, path, looked.inputs)[:WORST_SHOWN])), path
        self.tell(f"{form.name} misses its gate: keeping its worst layers in float")
        trials = {path: first}

        def make(kept: Collection[str]) -> Path:
            out = path.with_name(f"{path.stem}-{len(trials)}.tflite")
            options: convert.Options = {**self.options.conversion, "calibration": looked, "keep_float": kept}
            trials[out] = convert.convert(self.subject, form, out, **options)
            return out

        tried = repair.repair(self.subject, form, path, exact, self.reference, make, looked.inputs, proven=missed.proof, changed=self.options.gates)
        step = tried.mended
        if step is None:
            return replace(missed, worst=tried.worst[:WORST_SHOWN], repair=tried), path
        done = trials[step.path]
        judged = self._judged(form, done, step.proof, step.kept)
        note = f"repaired: {len(judged.float_ops)} of {words.counted(sum(judged.ops.values()), 'operation')} in float"
        named = step.path.rename(path.with_stem(path.stem + REPAIRED))
        return replace(judged, path=named.name, notes=(*judged.notes, note), repair=tried, worst=tried.worst[:WORST_SHOWN]), named
