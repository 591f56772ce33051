"""What is to be served: SavedModels found in bundles, in `NAME` folders, or named by a models.config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kvision.core.errors import UsageError
from kvision_edge import manifest
from kvision_export.bundle import SAVED_MODEL
from kvision_export.saved_model import versions
from kvision_export.saved_model.versions import GRAPH
from kvision_export.serving.server import config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CONFIGS = (".config", ".pbtxt", ".txt", ".conf")


@dataclass(frozen=True)
class Model:
    """A model and its versions.

    Attributes:
        name: In URLs.
        folder: Holds a folder for each version; absolute.
        versions: In rising order; the server looks for new ones.
    """

    name: str
    folder: Path
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Offer:
    """All that one server serves.

    Attributes:
        models: At least one.
        config: The user's models.config; none: it is made from `models`.
    """

    models: tuple[Model, ...]
    config: Path | None = None

    def config_text(self) -> str:
        """A models.config, for TensorFlow Serving's `--model_config_file`."""
        entries = "".join(
            f'  config {{ name: {json.dumps(model.name)} base_path: {json.dumps(str(model.folder))} model_platform: "tensorflow" }}\n'
            for model in self.models
        )
        return self.config.read_text(encoding="utf-8") if self.config else f"model_config_list {{\n{entries}}}\n"


def find(given: Sequence[str | Path]) -> Offer:
    """Finds the models that the user means.

    Args:
        given: Bundles, folders `NAME` with versions in them, one version `NAME/<n>`, folders of these; or one models.config.

    Returns:
        The models, by name.

    Raises:
        UsageError: If there is nothing to serve in one of them, or two models have one name; says what to do.
    """
    paths = [Path(each).expanduser().absolute() for each in given]
    if not paths:
        raise UsageError("nothing to serve; give bundles, e.g. `kvision serve bundles/unet`")
    if any(path.is_file() and path.suffix in _CONFIGS for path in paths):
        if len(paths) > 1:
            raise UsageError(f"{paths[0].name} and {len(paths) - 1} more: a models.config names all that is served; give it alone, or bundles")
        return Offer(_configured(paths[0]), paths[0])
    models: dict[str, Model] = {}
    for path in paths:
        for model in _models(path):
            other = models.get(model.name, model)
            if other.folder != model.folder:
                raise UsageError(f"{model.name} is in {other.folder} and in {model.folder}; one server can't have both: rename one of the folders")
            models[model.name] = model
    return Offer(tuple(models.values()))


def _models(path: Path) -> list[Model]:
    if not path.is_dir():
        raise UsageError(f"{path}: is no folder; give a bundle, a folder NAME/<version>/, or a models.config")
    if (path / GRAPH).is_file() and versions.is_version(path):
        return _models(path.parent)
    if (path / GRAPH).is_file():
        raise UsageError(f"{path}: is a SavedModel without a version; put it into a folder of whole number, such as {path}/1, and give {path}")
    if model := _model(path.name, path):
        return [model]
    within = path / SAVED_MODEL if (path / SAVED_MODEL).is_dir() else path
    models = [model for each in _folders(within) if (model := _model(each.name, each))]
    if not models:
        raise UsageError(_nothing_in(path))
    return models


def _model(name: str, folder: Path) -> Model | None:
    """A model with its versions; none if there are none."""
    there = sorted(versions.complete(folder))
    return Model(name, folder, tuple(there)) if there else None


def _nothing_in(path: Path) -> str:
    if (path / manifest.NAME).is_file():
        try:
            made = manifest.read(path)
        except manifest.ManifestError as error:
            return str(error)
        formats = ", ".join(file.format for file in made.files) or "no files"
        run = made.source.get("run", "RUN")
        return f"{path}: holds no SavedModel, only {formats}; make one: kvision export {run} --to savedmodel --out {path}-serving"
    if (path / "resolved.json").is_file():
        return f"{path}: is a run; make a bundle of it first: kvision export {path} --to savedmodel --out {path}-bundle"
    odd = [each.name for each in _folders(path) if (each / GRAPH).is_file()]
    hint = f"; {', '.join(odd)} is not a whole number, as versions are" if odd else ""
    return f"{path}: holds no NAME/<version>/{GRAPH}{hint}; make one: kvision export RUN --to savedmodel --out {path}"


def _configured(path: Path) -> tuple[Model, ...]:
    try:
        sources = config.read_models(path)
    except ImportError as error:
        raise UsageError(f"{path}: reading it needs {error.name}; pip install 'kvision[serve]', or give the folders") from error
    models = tuple(model for each in sources if (model := _model(each.name, each.base_path)))
    there = {model.name for model in models}
    missing = [f"{each.name} ({each.base_path})" for each in sources if each.name not in there]
    if missing or not sources:
        raise UsageError(f"{path}: names {'no models' if not sources else 'models that have no versions: ' + ', '.join(missing)}; mend its base_path")
    return models


def _folders(path: Path) -> Iterable[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir()) if path.is_dir() else []
