"""What was exported, given to `kvision eval` or `kvision predict`: from a bundle, a SavedModel or a bare `.tflite` to the system on it.

Finding reads small files only, and does not load TensorFlow.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision_edge import manifest
from kvision_export import bundle
from kvision_export.errors import ExportError
from kvision_export.formats import SAVEDMODEL
from kvision_export.saved_model import versions
from kvision_export.tflite import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.preprocess import Preprocess
    from kvision.engine.system import System

TFLITE = ".tflite"
RUN_FILES = "source"
"""A folder of a bundle with what `kvision eval` needs of the run's own files, for when the run is gone."""
_RECORD = "resolved.json"
_UP = 3
"""A SavedModel's version lies three folders below the bundle's."""


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        path: The `.tflite` file, or the folder that holds `saved_model.pb`.
        format: As in `--to`; `tflite` where nothing tells.
        labels: Class names.
        run: The run it was exported from, or what the bundle holds of it; none if neither is there.
        lost: Where that run was, for messages.
    """

    path: Path
    format: str
    labels: tuple[str, ...]
    run: Path | None
    lost: str
    _preprocess: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """A name for what is made from it."""
        return self.path.stem if self.path.suffix == TFLITE else f"{self.path.parent.name}-{self.path.name}"

    def preprocess(self) -> Preprocess | None:
        """From pictures to the network's input; none where the manifest does not say."""
        from kvision.data.preprocess import Preprocess

        return None if self._preprocess is None else Preprocess.from_json(json.dumps(self._preprocess))

    def system_on(self, system: System) -> System:
        """The system with this file in place of its networks.

        Args:
            system: Its networks built, with any weights.

        Returns:
            It.

        Raises:
            ExportError: If the file can't be run, or is another system's.
        """
        from kvision_export.parity import standin
        from kvision_export.parity.runner import open_file

        return standin.system_on(system, standin.calls_of(open_file(self.path), system, str(self.path)))

    def missing(self, instead: str) -> ExportError:
        """That the run is needed and gone, and what to do instead."""
        return ExportError(f"{self.path}: was exported from the run {self.lost}, which is not there any more; put it back, or {instead}")


def find(path: Path) -> Exported | None:
    """Looks whether a path is something exported.

    Args:
        path: A `.tflite` file, a bundle (its first file is taken, the best for a device), or a SavedModel: `NAME/1`, or `NAME` for the newest,
            or the bundle's `saved_model` that holds one NAME.

    Returns:
        What was found; none if it is none of these.

    Raises:
        ExportError: If it is, and can't be used: no manifest tells where it comes from, or it is not the file that the manifest describes.
    """
    if path.suffix == TFLITE:
        if not path.is_file():
            raise ExportError(f"{path}: no such file; give one that `kvision export` made")
        return _described(path)
    if (path / manifest.NAME).is_file():
        files = _read(path).files
        if not files:
            raise ExportError(f"{path}: this bundle holds no files; export it again")
        first = path / files[0].path
        return _described(first if first.suffix == TFLITE else _version(first) or first)
    models = [each for each in path.glob("*") if path.name == bundle.SAVED_MODEL and _version(each)]
    version = _version(path if len(models) != 1 else models[0])
    return None if version is None else _described(version)


def _version(path: Path) -> Path | None:
    """The folder with a SavedModel's graph: the path itself, or its highest version; none if it is no SavedModel."""
    if (path / versions.GRAPH).is_file():
        return path
    there = versions.complete(path)
    return there[max(there)] if there else None


def _described(path: Path) -> Exported:
    """The file with what its manifest, or what is zipped onto it, says of it."""
    folder = next((each for each in list(path.resolve().parents)[:_UP] if (each / manifest.NAME).is_file()), None)
    if folder is not None:
        made = _read(folder)
        found = _checked(path, folder, made)
        preprocess = None if made.preprocess is None else asdict(made.preprocess)
        return _made_of(path, found, made.labels, made.source, preprocess, folder)
    texts = metadata.read(path) if path.suffix == TFLITE and path.is_file() else {}
    try:
        values = json.loads(texts[metadata.METADATA])
        return _made_of(path, values.get("format", "tflite"), texts[manifest.LABELS].splitlines(), values["source"], values.get("preprocess"), None)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        inside = " and no metadata in the file itself" if path.suffix == TFLITE else ""
        raise ExportError(
            f"{path}: classes and preprocessing are not known: there is no {manifest.NAME} beside it{inside}; "
            "leave the file in its bundle, and give it there"
        ) from error


def _made_of(path: Path, name: str, labels: Any, source: Mapping[str, Any], preprocess: Mapping[str, Any] | None, folder: Path | None) -> Exported:
    relative = source.get("run_relative")
    places = [folder / relative] if folder and relative else []
    places += [Path(str(source.get("run", ""))), *([folder / RUN_FILES] if folder else [])]
    run = next((each.resolve() for each in places if (each / _RECORD).is_file()), None)
    return Exported(path, name, tuple(labels), run, str(source.get("run", "")), preprocess)


def _read(folder: Path) -> manifest.Manifest:
    try:
        return manifest.read(folder)
    except manifest.ManifestError as error:
        raise ExportError(str(error)) from error


def _checked(path: Path, folder: Path, made: manifest.Manifest) -> str:
    """The format of a file that is the one the manifest describes; rejected files stand in none."""
    described = {(folder / each.path).resolve(): each for each in made.files}
    own = next((described[each] for each in (path.resolve(), path.resolve().parent) if each in described), None)
    if own is None:
        return SAVEDMODEL if path.is_dir() else "tflite"
    place = (folder / own.path).resolve()
    if not place.exists():
        raise ExportError(f"{place}: is in {manifest.NAME} and not in the bundle; copy the bundle again, or export it again")
    actual = bundle.sha256(place)
    if actual != own.sha256:
        raise ExportError(
            f"{path}: is not the file that {folder / manifest.NAME} describes: its sha256 is {actual[:12]}…, there it is {own.sha256[:12]}…; "
            "copy the bundle again, or export it again"
        )
    return own.format
