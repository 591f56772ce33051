"""From what the user gave, a run, a checkpoint, a file of weights or an exported file, to a session with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from kvision import catalog
from kvision.commands import runs
from kvision.core import words
from kvision.core.errors import DataError, RunError, UsageError
from kvision.core.names import did_you_mean
from kvision.engine import runfolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.core.resolved import Resolved
    from kvision.data.source import Source, Split, SplitName
    from kvision.data.text.texts import Kept
    from kvision.engine.session import Session
    from kvision_export.exported import Exported

Weights = Literal["best", "last", "ema"]
_FILES = (".keras", ".h5")


@dataclass(frozen=True)
class Trained:
    """A trained model, found.

    Attributes:
        run: The run folder; of an exported file the one it came from, which may be gone.
        origin: Where the weights are: the run folder, one of its checkpoints, or a file.
        weights: Which of a run's weights.
        exported: The exported file, if it is one.
    """

    run: Path
    origin: Path
    weights: Weights
    exported: Exported | None = None

    @property
    def name(self) -> str:
        """A name for what is made from these weights."""
        if self.exported is not None:
            return self.exported.name
        return self.weights if self.origin == self.run else self.origin.name.removesuffix(".keras").removesuffix(".weights.h5")

    @property
    def kind(self) -> str:
        """Which of a run's weights, or the format of an exported file."""
        return self.weights if self.exported is None else self.exported.format

    @property
    def gone(self) -> bool:
        """Whether the run that an exported file came from is not there."""
        return self.exported is not None and self.exported.run is None

    @property
    def home(self) -> Path:
        """Where results go: into the run, or for an exported file whose run is gone, to the current folder."""
        return self.run if (self.run / runfolder.CHECKPOINTS).is_dir() or self.exported is None else Path()


def find(given: Path, weights: str = "best") -> Trained:
    """Finds the run that a path belongs to.

    Args:
        given: A run folder, a checkpoint folder in it, its `model.keras`, a file of its `weights/`, or what was exported from it: a bundle, a
            SavedModel or a `.tflite` file.
        weights: `best`, `last` or `ema`; of a file there is but one.

    Returns:
        What was found; no weights are read yet.

    Raises:
        UsageError: If there is no such kind of weights.
        RunError: If there is no such run; names those that exist.
        ExportError: If an exported file can't be used.
    """
    if weights not in get_args(Weights):
        raise UsageError(f"--weights {weights}: accepted are {', '.join(get_args(Weights))}{did_you_mean(weights, get_args(Weights))}")
    kind = cast("Weights", weights)
    path = given.parent if given.name == runfolder.CHECKPOINTS else given
    if path.is_file() and path.suffix in _FILES:
        run = path.parent.parent if path.parent.name == "weights" else path.parent
        if not (run / "resolved.json").is_file():
            raise RunError(
                f"{given}: weights alone do not tell classes and preprocessing, and there is no run around this file; "
                "give the run folder, or leave the file in it"
            )
        return Trained(run, path, kind)
    if path.parent.name == runfolder.CHECKPOINTS and path.is_dir():
        runs.require(path.parent.parent)
        return Trained(path.parent.parent, path, kind)
    if path.parent.name == runfolder.CHECKPOINTS and not path.exists():
        there = sorted(each.name for each in path.parent.glob("step-*"))
        raise RunError(f"{given}: no such checkpoint; there are {words.listed(there, 8) or 'none'}{did_you_mean(path.name, there)}")
    exported = None if (path / "resolved.json").is_file() else _exported(path)
    if exported is not None:
        if kind != "best":
            raise UsageError(f"--weights {weights}: {given} holds the weights that were exported; leave the option out, or give a run")
        return Trained(exported.run or Path(exported.lost), exported.path, kind, exported)
    runs.require(path)
    return Trained(path, path, kind)


def _exported(path: Path) -> Exported | None:
    """What was exported there, if something was."""
    if not path.is_dir() and path.suffix != ".tflite":
        return None
    from kvision_export import exported

    return exported.find(path)


def open_session(
    trained: Trained,
    *,
    resolved: Resolved | None = None,
    narrow: Callable[[type[Source]], type[Source]] = lambda source: source,
    devices: str = "auto",
    precision: str | None = None,
) -> Session:
    """Builds the model, and puts the weights in.

    Args:
        trained: What `find` found.
        resolved: The recipe, where it is not the run's own.
        narrow: Makes another data source of the recipe's.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: as the run was trained.

    Returns:
        A session without its training part; an exported file stands in for its networks.

    Raises:
        UsageError: If an exported file is to be run in a precision.
        RunError: If the run has no checkpoint, or a damaged one.
        DataError: If the data does not have the classes that the run was trained on.
        ExportError: If an exported file can't be run, or is another system's.
    """
    from kvision.engine import session

    exported = trained.exported
    if exported is not None and precision is not None:
        raise UsageError(f"--precision {precision}: an exported file computes as it was exported; leave the option out")
    recipe = resolved or catalog.from_run(trained.run)
    source = narrow(catalog.source(recipe.recipe.data.source))
    source = type(source.__name__, (source,), {"kept": kept_texts(trained.run)})
    recorded = precision or ("fp32" if exported else runfolder.read_json(trained.run / runfolder.ENVIRONMENT).get("precision", "fp32"))
    preprocess = (exported.preprocess() if exported else None) or session.recorded_preprocess(trained.run)
    made = session.open_session(
        recipe, catalog.system(recipe.recipe.system), source, devices=devices, precision_name=recorded, training=False, preprocess=preprocess
    )
    expected = list(exported.labels) if exported else runfolder.read_json(trained.run / runfolder.DATA)["class_names"]
    found = list(made.pipeline.info.class_names)
    if len(found) != len(expected) and made.pipeline.texts is None:
        raise DataError(
            f"the data has {len(found)} classes ({', '.join(found)}), the run {len(expected)} ({', '.join(expected)}); give data with the same"
        )
    if exported is not None:
        return replace(made, system=exported.system_on(made.system))
    if trained.origin.is_file():
        _load_file(made, trained.origin)
    else:
        session.restore(made, trained.origin, trained.weights)
    return made


def kept_texts(run: Path) -> Kept | None:
    """Vocabulary and length of the texts that a run was trained on, which hold for whatever data it is given; none: it was trained without texts.

    Args:
        run: The run folder; of an exported file whose run is gone, what is not there.

    Returns:
        As `data.json` and `vocabulary.json` tell.

    Raises:
        DataError: If the vocabulary is missing or damaged.
    """
    from kvision.data.text import stored
    from kvision.data.text.texts import Kept

    texts = runfolder.read_json(run / runfolder.DATA).get("texts") if (run / runfolder.DATA).is_file() else None
    return None if texts is None else Kept(stored.read(run), texts["length"], tuple(texts["nouns"]))


def recorded(run: Path) -> Callable[[type[Source]], type[Source]]:
    """For `open_session(narrow=...)`: a source that knows the run's classes and texts and has no examples: predicting needs no training data."""
    from kvision.data.source import DataInfo, Source
    from kvision.data.text.texts import Texts

    data = runfolder.read_json(run / runfolder.DATA)
    facts = DataInfo(tuple(data["class_names"]), tuple((r, g, b) for r, g, b in data["palette"]), frozenset(data["fields"]))
    kept = kept_texts(run)

    class Recorded(Source):
        @property
        def info(self) -> DataInfo:
            return facts if kept is None else replace(facts, texts=Texts(tuple, self.options, kept.nouns, kept))

        def split(self, name: SplitName) -> Split:
            raise RunError(f"{run}: the {name} examples are not there")

    def narrow(source: type[Source]) -> type[Source]:
        return type("Recorded", (Recorded,), {"Options": source.Options})

    return narrow


def only(split: SplitName) -> Callable[[type[Source]], type[Source]]:
    """For `open_session(narrow=...)`: the same source with the given split as its validation examples."""

    def narrow(source: type[Source]) -> type[Source]:
        def chosen(self: Any, name: SplitName) -> Split:
            del name
            found: Split = source.split(self, split)
            return found

        return type(source.__name__, (source,), {"split": chosen})

    return narrow


def every(split: SplitName) -> Callable[[type[Source]], type[Source]]:
    """For `open_session(narrow=...)`: the user's own folder, all of whose files are in the given split."""
    return lambda source: type(source.__name__, (source,), {"whole": split})


def _load_file(session: Session, path: Path) -> None:
    from zipfile import BadZipFile

    try:
        session.system.net.load_weights(path)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise RunError(
            f"{path}: these weights can't be loaded into the run's network ({str(error).splitlines()[0]}); use the run folder itself"
        ) from error
