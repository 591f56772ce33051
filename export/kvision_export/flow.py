"""From a trained system to a bundle: what is asked for is made and proven in a staging folder, and only what holds is put in place."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kvision.core import disk
from kvision.core.jsonable import jsonable
from kvision.engine import runfolder, state
from kvision_edge import manifest
from kvision_export import bundle, formats, lite, samples
from kvision_export.errors import ExportError
from kvision_export.parity import finding, gates, given, page, pictures, proof, runner
from kvision_export.saved_model import publish
from kvision_export.tflite import c_array, flatbuffer, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kvision_export.formats import Format
    from kvision_export.lite import Options
    from kvision_export.parity.finding import Finding
    from kvision_export.parity.proof import Reference
    from kvision_export.subject import Subject

CALIBRATION = "calibration.json"
QAT = "qat"
_RECORDS = ("resolved.json", "recipe.yaml", runfolder.DATA, runfolder.ENVIRONMENT)
_SHOWN = 4


@dataclass(frozen=True)
class Result:
    """What came of an export.

    Attributes:
        out: The bundle.
        report: What was found of every file that was made.
        refused: Why a format could not be made.
        choice: The file that suits a device best; none if no LiteRT file holds.
    """

    out: Path
    report: page.Report
    refused: Mapping[Format, str]
    choice: Finding | None

    @property
    def failed(self) -> bool:
        """Whether a file misses its gate or could not be made."""
        return bool(self.refused) or any(not each.holds for each in self.report.findings)


def export(subject: Subject, wanted: Sequence[Format], out: Path, options: Options, tell: Callable[[str], None]) -> Result:
    """Makes and proves files, and puts those that hold into a bundle.

    Args:
        subject: What is exported.
        wanted: The formats.
        out: The bundle's folder; files of an earlier export of the same weights in other formats stay in it.
        options: How.
        tell: Is told what is being done.

    Returns:
        What came of it; files that miss their gate lie under `rejected/`.

    Raises:
        RunError: If the folder holds something else, or can't be written.
        ExportError: If the trained system can't be exported at all.
    """
    old = bundle.check(out)
    with bundle.staging(out) as folder:
        tell("evaluating the trained model")
        work = _Export(subject, out, folder, options, tell, proof.refer(subject))
        work.lite(wanted)
        if any(each.name == formats.SAVEDMODEL for each in wanted):
            work.saved_model()
        tell("writing the bundle")
        with disk.writing(out, "the bundle", "--out"):
            return work.finish(old)


class _Export:
    """One export on its way."""

    def __init__(self, subject: Subject, out: Path, folder: Path, options: Options, tell: Callable[[str], None], reference: Reference) -> None:
        self.subject, self.out, self.folder, self.options, self.tell, self.reference = subject, out, folder, options, tell, reference
        self.findings: list[Finding] = []
        self.files: dict[Format, Path] = {}
        self.refused: dict[Format, str] = {}
        self.entries: list[manifest.File] = []
        self.calibration: dict[str, Any] | None = None
        self.choice: Finding | None = None

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
        self.choice = finding.auto(made.findings)
        self.calibration = made.calibration.to_json() if made.calibration else None
        self.refused |= made.refused
        for each in made.findings:
            notes = each.notes
            if each.format not in chosen or (self.options.auto and each != self.choice):
                notes = (*notes, "made for comparison, not in the bundle")
            else:
                self.files[each.format] = made.files[each.format]
            self.findings.append(replace(each, path=_place_of(each), notes=notes))
        if source and full in self.files and next(each for each in made.findings if each.format == full).holds:
            c_array.write(self.files[full], disk_folder(self.out / formats.C_ARRAY), self.subject.name)

    def _tuned(self, chosen: Sequence[Format]) -> Subject | None:
        if not self.options.qat_epochs or not any(each.activations == "int8" for each in chosen):
            return None
        from kvision_export.quantize import qat

        self.tell(f"fine-tuning with quantization for {self.options.qat_epochs} epochs")
        folder = self.folder / QAT
        tuned = qat.finetune(self.subject, folder, qat.QatOptions(epochs=self.options.qat_epochs, calibration=self.options.calibration))
        for name in ("metrics.csv", "events.jsonl"):
            bundle.place(folder / name, self.out / QAT / name)
        return tuned

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
            found.append(finding.Finding(chosen, "", bundle.size(folder), proven, tuple(failures), notes=(note,) if note else ()))
            if failures:
                shutil.copytree(folder, self.out / bundle.REJECTED / bundle.SAVED_MODEL, dirs_exist_ok=True)
                raise ExportError(f"{chosen.name}: {failures[0]}")

        try:
            path = publish.publish(self.subject, self.out / bundle.SAVED_MODEL, self.options.version, approve=approve)
        except ExportError as error:
            if not found:
                self.refused[chosen] = str(error)
            self.findings += [replace(each, path=f"{bundle.REJECTED}/{bundle.SAVED_MODEL}") for each in found]
            return
        name = path.relative_to(self.out).as_posix()
        self.findings += [replace(each, path=name) for each in found]
        self.entries.append(self._entry(found[0], path, name, runner.SavedModel(path).signatures, None))

    def finish(self, old: manifest.Manifest | None) -> Result:
        """Everything in its place, the manifest last."""
        good = {each.format: self.files[each.format] for each in self.findings if each.holds and each.format in self.files}
        written = samples.write(self.subject, good, self.folder / bundle.SAMPLE)
        for path in sorted((self.folder / bundle.SAMPLE).iterdir()):
            bundle.place(path, self.out / bundle.SAMPLE / path.name)
        report = self._report(good, self._earlier(old))
        for each in self.findings:
            if each.format in self.files:
                self._place(each, written.get(each.format))
        page.write(report, self.out)
        self._records()
        files = sorted((*self.entries, *self._earlier(old)), key=self._rank)
        bundle.write(self.out, self._manifest(tuple(files)))
        return Result(self.out, report, self.refused, self.choice)

    def _place(self, each: Finding, sample: manifest.Sample | None) -> None:
        """A LiteRT file into the bundle, or among the rejected ones."""
        source, target = self.files[each.format], self.out / each.path
        about = {"format": each.format.name, "source": self._source(), "preprocess": self._preprocess(), "decode": self.subject.system.decoding()}
        metadata.append(source, self.subject.session.pipeline.info.class_names, jsonable(about))
        signatures = flatbuffer.inspect(source).signatures
        bundle.place(source, target)
        other = self.out / (each.path.removeprefix(f"{bundle.REJECTED}/") if not each.holds else f"{bundle.REJECTED}/{each.path}")
        other.unlink(missing_ok=True)
        if each.holds:
            where = sample and replace(sample, outputs=f"{bundle.SAMPLE}/{sample.outputs}")
            self.entries.append(self._entry(each, target, each.path, signatures, where))

    def _entry(
        self, each: Finding, path: Path, name: str, signatures: Mapping[str, manifest.Signature], sample: manifest.Sample | None
    ) -> manifest.File:
        storage: dict[str, Any] = {
            "weights": each.format.weights,
            "activations": each.format.activations,
            "edges": each.format.edges,
            "notes": each.notes,
        }
        if each.format.calibrated and self.calibration:
            storage |= {"calibration": CALIBRATION, "qat_epochs": self.options.qat_epochs}
        return manifest.File(
            path=name,
            format=each.format.name,
            bytes=bundle.size(path),
            sha256=bundle.sha256(path),
            signatures=signatures,
            minimum_runtime=each.minimum_runtime,
            quantization=jsonable(storage),
            metrics=jsonable(each.proof.metrics),
            proof=jsonable(page.row(each, self.findings)),
            sample=sample,
        )

    def _earlier(self, old: manifest.Manifest | None) -> list[manifest.File]:
        """Files of an earlier export of the same weights that this one does not replace."""
        if old is None or old.source.get("weights_sha256") != self._source()["weights_sha256"]:
            return []
        again = {each.format.name for each in self.findings if each.format in self.files or each.format.name == formats.SAVEDMODEL}
        return [each for each in old.files if each.format not in again and (self.out / each.path).exists()]

    def _rank(self, each: manifest.File) -> tuple[bool, bool, int]:
        """The best for a device first, the SavedModel last."""
        is_choice = self.choice is not None and each.format == self.choice.format.name
        return not is_choice, each.format == formats.SAVEDMODEL, list(formats.FORMATS).index(each.format)

    def _report(self, good: Mapping[Format, Path], earlier: Sequence[manifest.File]) -> page.Report:
        chosen = self.choice.format if self.choice is not None and self.choice.format in good else next(iter(good), None)
        pairs: tuple[pictures.Pair, ...] = ()
        if chosen is not None:
            numbers = pictures.differing(self.subject, good[chosen], _SHOWN)
            pairs = tuple(pictures.draw(self.subject, {chosen.short: good[chosen]}, numbers))
        facts = [("Weights", f"{self.subject.weights} of {self.subject.run}")]
        if self.calibration:
            facts.append(("Calibration", f"{self.calibration['count']} training images, seed {self.calibration['seed']}"))
        if self.options.qat_epochs:
            facts.append(("Quantization-aware fine-tuning", f"{self.options.qat_epochs} epochs"))
        facts += [(f"{each.name} could not be made", why) for each, why in self.refused.items()]
        facts += [("Also here, from an earlier export", each.path) for each in earlier]
        facts.append(("Versions", ", ".join(f"{name} {version}" for name, version in bundle.versions().items())))
        system = self.subject.system
        where = str(self.subject.run)
        return page.Report(
            self.subject.name, system.recipe.system, where, self.reference, system.monitor.metric, tuple(self.findings), pairs, tuple(facts)
        )

    def _records(self) -> None:
        """What the bundle keeps of the run, of the calibration, and of the labels."""
        for name in _RECORDS:
            if (self.subject.run / name).is_file():
                disk.replace(disk_folder(self.out / given.RUN_FILES) / name, (self.subject.run / name).read_bytes())
        if self.calibration:
            runfolder.write_json(self.out / CALIBRATION, jsonable(self.calibration))
        labels = "".join(f"{name}\n" for name in self.subject.session.pipeline.info.class_names)
        disk.replace(self.out / manifest.LABELS, labels.encode())

    def _preprocess(self) -> dict[str, Any] | None:
        if not self.subject.takes_pictures:
            return None
        found = self.subject.preprocess
        return {"size_px": found.size_px, "fit": found.fit, "mean": found.mean, "std": found.std}

    def _source(self) -> dict[str, Any]:
        session, run = self.subject.session, self.subject.run.resolve()
        return {
            "run": str(run),
            "run_relative": os.path.relpath(run, self.out.resolve()),
            "weights": self.subject.weights,
            "weights_sha256": _fingerprint(self.subject),
            "system": self.subject.system.recipe.system,
            "recipe": str(session.resolved.path),
            "precision": runfolder.read_json(run / runfolder.ENVIRONMENT).get("precision", "fp32"),
        }

    def _manifest(self, files: tuple[manifest.File, ...]) -> manifest.Manifest:
        info, preprocess = self.subject.session.pipeline.info, self._preprocess()
        return manifest.Manifest(
            name=self.subject.name,
            task=self.subject.system.task,
            files=files,
            preprocess=None if preprocess is None else manifest.Preprocess(**preprocess),
            labels=info.class_names,
            colours=info.palette,
            decode=self.subject.system.decoding(),
            metrics=jsonable(self.reference.metrics),
            source=self._source(),
            versions=bundle.versions(),
            sample_input=f"{bundle.SAMPLE}/{samples.INPUT}",
            checksums=bundle.checksums(self.out, [each.path for each in files]),
        )


def disk_folder(path: Path) -> Path:
    """The folder, made if need be."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def _place_of(each: Finding) -> str:
    """Where a LiteRT file goes in the bundle."""
    return each.path if each.holds else f"{bundle.REJECTED}/{each.path}"


def _fingerprint(subject: Subject) -> str:
    """sha256 of all weights, by name and value."""
    found = hashlib.sha256()
    for name, value in sorted(state.read(subject.session.weights()).items()):
        found.update(name.encode() + value.tobytes())
    return found.hexdigest()
