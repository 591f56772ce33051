"""From a trained system to a bundle: what is asked for is made and proven in a staging folder, and only what holds is put in place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kvision.core import disk, words
from kvision.core.errors import UsageError
from kvision.core.jsonable import jsonable
from kvision.data.text import vocabulary
from kvision.engine import runfolder
from kvision_edge import manifest
from kvision_export import bundle, description, exported, formats, lite, remains, samples
from kvision_export.errors import ExportError
from kvision_export.parity import finding, gates, page, pictures, proof, runner
from kvision_export.saved_model import publish
from kvision_export.tflite import c_array, flatbuffer, metadata, runtimes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kvision_export.formats import Format
    from kvision_export.lite import Options
    from kvision_export.parity.finding import Finding
    from kvision_export.parity.proof import Reference
    from kvision_export.remains import Remains
    from kvision_export.subject import Subject

_RECORDS = ("resolved.json", "recipe.yaml", runfolder.DATA, runfolder.ENVIRONMENT, vocabulary.NAME)
_SHOWN = 4


@dataclass(frozen=True)
class Result:
    """What came of an export.

    Attributes:
        out: The bundle.
        report: What was found of every file that was made.
        refused: Why a format could not be made.
        auto: Whether one LiteRT file that holds was enough.
    """

    out: Path
    report: page.Report
    refused: Mapping[Format, str]
    auto: bool

    @property
    def choice(self) -> Finding | None:
        """The file of the bundle that suits a device best; none if no LiteRT file of it holds."""
        return self.report.choice

    @property
    def failed(self) -> bool:
        """Whether a file misses its gate or could not be made; of the candidates of `--auto`, whether all do."""
        settled = self.auto and finding.auto(self.report.findings) is not None
        missing = [each for each in self.refused if not (settled and each.is_tflite)]
        return bool(missing) or any(each.kept and not each.holds for each in self.report.findings)


def export(subject: Subject, wanted: Sequence[Format], out: Path, options: Options, tell: Callable[[str], None]) -> Result:
    """Makes and proves files, and puts those that hold into a bundle.

    Args:
        subject: What is exported.
        wanted: The formats.
        out: The bundle's folder; files of an earlier export of the same weights in other formats stay in it, those of other weights go, but for
            published SavedModels, which a server may be using.
        options: How.
        tell: Is told what is being done.

    Returns:
        What came of it; files that miss their gate lie under `rejected/`.

    Raises:
        UsageError: If a format can't be had for the runtime, but as a candidate of `--auto`, where that is no fault.
        RunError: If the folder holds something else, can't be written, or another export is writing it.
        ExportError: If the trained system can't be exported at all.
    """
    runtimes.check(() if options.auto else wanted, options.runtime)
    bundle.check(out)  # before anything is written there
    with bundle.staging(out) as folder:
        old = bundle.check(out)  # an export that was killed may just have been ended
        tell("evaluating the trained model")
        work = _Export(subject, out, folder, options, tell, proof.refer(subject))
        work.lite(wanted)
        with disk.writing(out, "the bundle", "--out"):
            work.stage()
        if any(each.name == formats.SAVEDMODEL for each in wanted):
            work.saved_model()
        tell("writing the bundle")
        with disk.writing(out, "the bundle", "--out"):
            return work.finish(old)


class _Export:
    """One export on its way. All that takes time or space happens in the staging folder; what is seen outside comes last, by renaming."""

    def __init__(self, subject: Subject, out: Path, folder: Path, options: Options, tell: Callable[[str], None], reference: Reference) -> None:
        self.subject, self.out, self.folder, self.options, self.tell, self.reference = subject, out, folder, options, tell, reference
        self.staged = folder / "bundle"
        self.source = description.source(subject, out)
        self.findings: list[Finding] = []
        self.files: dict[Format, Path] = {}
        self.refused: dict[Format, str] = {}
        self.entries: list[manifest.File] = []
        self.calibration: dict[str, Any] | None = None
        self.pairs: tuple[pictures.Pair, ...] = ()

    def lite(self, wanted: Sequence[Format]) -> None:
        """LiteRT files, and C source of one."""
        chosen = [each for each in wanted if each.is_tflite]
        source = any(each.name == formats.C_ARRAY for each in wanted)
        full = formats.FORMATS[formats.FULL_INT8]
        if source and full not in chosen:
            chosen.append(full)
        if not chosen:
            return
        made = lite.make(self.subject, chosen, self.folder, self.reference, self.options, self.tell, tuned=self._tuned(chosen))
        self.calibration = made.calibration.to_json() if made.calibration else None
        self.refused |= made.refused
        best = finding.auto([replace(each, kept=each.format in chosen) for each in made.findings])
        if self.options.auto and best is not None:
            chosen = [best.format, *([full] if source else [])]
        for each in made.findings:
            if each.format in chosen:
                self.files[each.format] = made.files[each.format]
                self.findings.append(replace(each, path=each.path if each.holds else f"{bundle.REJECTED}/{each.path}"))
            else:
                self.findings.append(replace(each, kept=False, notes=(*each.notes, "made for comparison, not in the bundle")))
        if source:
            self._c_source(full)

    def _tuned(self, chosen: Sequence[Format]) -> Subject | None:
        if not self.options.qat_epochs or not any(each.activations == "int8" for each in chosen):
            return None
        from kvision_export.quantize import qat

        self.tell(f"fine-tuning with quantization for {words.counted(self.options.qat_epochs, 'epoch')}")
        folder = self.folder / bundle.QAT
        tuned = qat.finetune(self.subject, folder, qat.QatOptions(epochs=self.options.qat_epochs, calibration=self.options.calibration))
        with disk.writing(self.out, "the bundle", "--out"):
            for name in ("metrics.csv", "events.jsonl"):
                (folder / name).replace(_folder(self.staged / bundle.QAT) / name)
        return tuned

    def _c_source(self, full: Format) -> None:
        """C source of the full int8 file, or why there is none."""
        chosen, made = formats.FORMATS[formats.C_ARRAY], next((each for each in self.findings if each.format == full), None)
        if made is None or not made.holds:
            self.refused[chosen] = f"{chosen.name}: is made of the {full.name} file, which {'misses its gate' if made else 'could not be made'}"
            return
        try:
            with disk.writing(self.out, "the C source", "--out"):
                c_array.write(self.files[full], _folder(self.staged / formats.C_ARRAY), self.subject.name)
        except ExportError as error:
            self.refused[chosen] = str(error)

    def stage(self) -> None:
        """Finishes the LiteRT files, with their samples and pictures."""
        good = {each.format: self.files[each.format] for each in self.findings if each.holds and each.kept}
        told = samples.write(self.subject, good, self.staged / bundle.SAMPLE)
        best = finding.auto(self.findings)
        shown = best.format if best is not None else next(iter(good), None)
        if shown is not None:
            differing = next(each for each in self.findings if each.format == shown).proof.differing
            numbers = list(dict.fromkeys([*differing, *range(self.reference.count)]))[:_SHOWN]
            self.pairs = tuple(pictures.draw(self.subject, {shown.short: good[shown]}, numbers))
        for each in self.findings:
            if each.kept:
                self._stage_file(each, told.get(each.format))

    def _stage_file(self, each: Finding, sample: manifest.Sample | None) -> None:
        path = self.files[each.format]
        signatures = flatbuffer.inspect(path).signatures
        metadata.append(path, self.subject.session.pipeline.info.class_names, description.inside(self.subject, each.format.name, self.source))
        target = self.staged / each.path
        path.replace(_folder(target.parent) / target.name)
        if each.holds:
            sample = sample and replace(sample, outputs=f"{bundle.SAMPLE}/{sample.outputs}")
            entry = description.file(
                each,
                self.findings,
                target,
                signatures,
                sample=sample,
                calibrated=self.calibration is not None,
                qat_epochs=self.options.qat_epochs,
            )
            self.entries.append(entry)

    def saved_model(self) -> None:
        """The SavedModel: proven before a server can see it."""
        self.tell("making the SavedModel")
        chosen = formats.FORMATS[formats.SAVEDMODEL]
        found: list[Finding] = []

        def approve(folder: Path) -> None:
            self.tell(f"proving {chosen.name}")
            proven = proof.prove(self.subject, folder, self.reference)
            limits = self.subject.system.gates
            failures = gates.judge(proven, chosen, limits, changed=self.options.gates)
            note = gates.limit(chosen, limits, self.options.gates).note
            path = f"{bundle.REJECTED}/{bundle.SAVED_MODEL}"
            found.append(finding.Finding(chosen, path, bundle.size(folder), proven, tuple(failures), notes=(note,) if note else ()))
            if failures:
                shutil.copytree(folder, self.staged / path)
                raise ExportError(f"{chosen.name}: {failures[0]}")

        try:
            path = publish.publish(self.subject, self.out / bundle.SAVED_MODEL, self.options.version, approve=approve)
        except (ExportError, UsageError) as error:
            self.findings += found
            if not found:
                self.refused[chosen] = str(error)
            return
        made = replace(found[0], path=path.relative_to(self.out).as_posix())
        self.findings.append(made)
        self.entries.append(description.file(made, self.findings, path, runner.SavedModel(path).signatures))

    def finish(self, old: manifest.Manifest | None) -> Result:
        """Everything in its place, the manifest last."""
        same = old if old is not None and old.source.get("weights_sha256") == self.source["weights_sha256"] else None
        again = {each.format.name for each in self.findings if each.kept}
        beside = remains.Remains() if same is None else remains.of(same, self.out, again)
        report = self._report(beside)
        _folder(self.staged)
        page.write(report, self.staged)
        self._records()
        files = self._ranked(beside.files, report.choice)
        sums = {**beside.checksums, **bundle.checksums(self.staged, [each.path for each in self.entries])}
        made = description.whole(self.subject, self.source, self.reference, files, dict(sorted(sums.items())))
        bundle.write(self.staged, made)
        self._forget_rejected(same)
        if old is not None and same is None and formats.SAVEDMODEL not in {each.format for each in files}:
            for each in (each for each in old.files if each.format == formats.SAVEDMODEL):
                self.tell(f"{each.path} is of other weights, and stays for servers that use it: export savedmodel too, or remove it")
        bundle.place(self.staged, self.out, () if old is None else bundle.listed(old) - bundle.listed(made))
        return Result(self.out, report, self.refused, self.options.auto)

    def _forget_rejected(self, same: manifest.Manifest | None) -> None:
        """Removes rejected files of other weights, and of what was made again now."""
        rejected = self.out / bundle.REJECTED
        if same is None:
            shutil.rmtree(rejected, ignore_errors=True)
        for each in self.findings:
            if each.format.name == formats.SAVEDMODEL:
                shutil.rmtree(rejected / bundle.SAVED_MODEL, ignore_errors=True)
            elif each.kept and each.holds:
                (rejected / lite.file_name(self.subject, each.format)).unlink(missing_ok=True)

    def _ranked(self, earlier: Sequence[manifest.File], choice: Finding | None) -> list[manifest.File]:
        """The best for a device first, the SavedModel last."""
        best, order = choice and choice.path, list(formats.FORMATS)
        return sorted((*self.entries, *earlier), key=lambda each: (each.path != best, each.format == formats.SAVEDMODEL, order.index(each.format)))

    def _report(self, beside: Remains) -> page.Report:
        facts = [("Weights", f"{self.subject.weights} of {self.subject.run}")]
        if self.calibration:
            facts.append(("Calibration", f"{self.calibration['count']} training examples, seed {self.calibration['seed']}"))
        if self.options.qat_epochs:
            facts.append(("Quantization-aware fine-tuning", words.counted(self.options.qat_epochs, "epoch")))
        facts += [(f"{each.name} could not be made", why) for each, why in self.refused.items()]
        facts += [("From an earlier export, timed then", each.path) for each in beside.files]
        facts.append(("Versions", ", ".join(f"{name} {version}" for name, version in bundle.versions().items())))
        system = self.subject.system
        return page.Report(
            name=self.subject.name,
            system=system.recipe.system,
            run=str(self.subject.run),
            reference=self.reference,
            metric=system.monitor.metric,
            findings=tuple(self.findings),
            pairs=self.pairs,
            facts=tuple(facts),
            earlier=beside.proofs,
            before=beside.choice,
        )

    def _records(self) -> None:
        """What the bundle keeps of the run, of the calibration, of the labels, and of the texts."""
        for name in _RECORDS:
            if (self.subject.run / name).is_file():
                (_folder(self.staged / exported.RUN_FILES) / name).write_bytes((self.subject.run / name).read_bytes())
        if self.calibration:
            runfolder.write_json(self.staged / description.CALIBRATION, jsonable(self.calibration))
        (self.staged / manifest.LABELS).write_text(self.subject.labels_txt, encoding="utf-8")
        texts = self.subject.session.pipeline.texts
        if texts is not None:
            texts.vocabulary.save(self.staged)


def _folder(path: Path) -> Path:
    """The folder, made if need be."""
    path.mkdir(parents=True, exist_ok=True)
    return path
