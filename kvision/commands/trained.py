"""From what the user gave, a run, a checkpoint or a file of weights, to a session with those weights. For `eval` and `predict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from kvision import catalog
from kvision.commands import runs
from kvision.core.errors import DataError, RunError, UsageError
from kvision.core.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.data.source import Source, Split, SplitName
    from kvision.engine.session import Session

Weights = Literal["best", "last", "ema"]
_FILES = (".keras", ".h5")


@dataclass(frozen=True)
class Trained:
    """A trained model, found.

    Attributes:
        run: The run folder.
        origin: Where the weights are: the run folder, one of its checkpoints, or a file.
        weights: Which of a run's weights.
    """

    run: Path
    origin: Path
    weights: Weights

    @property
    def name(self) -> str:
        """A name for what is made from these weights."""
        return self.weights if self.origin == self.run else self.origin.name.removesuffix(".keras").removesuffix(".weights.h5")


def find(given: Path, weights: str = "best") -> Trained:
    """Finds the run that a path belongs to.

    Args:
        given: A run folder, a checkpoint folder in it, its `model.keras`, or a file of its `weights/`.
        weights: `best`, `last` or `ema`; of a file there is but one.

    Returns:
        What was found; no file is read yet.

    Raises:
        UsageError: If there is no such kind of weights.
        RunError: If there is no such run; names those that exist.
    """
    if weights not in get_args(Weights):
        raise UsageError(f"--weights {weights}: accepted are {', '.join(get_args(Weights))}{did_you_mean(weights, get_args(Weights))}")
    kind = cast("Weights", weights)
    path = given.parent if given.name == "checkpoints" else given
    if path.is_file() and path.suffix in _FILES:
        run = path.parent.parent if path.parent.name == "weights" else path.parent
        if not (run / "resolved.json").is_file():
            raise RunError(
                f"{given}: weights alone do not tell classes and preprocessing, and there is no run around this file; "
                "give the run folder, or leave the file in it"
            )
        return Trained(run, path, kind)
    if path.parent.name == "checkpoints" and path.is_dir():
        runs.require(path.parent.parent)
        return Trained(path.parent.parent, path, kind)
    runs.require(path)
    return Trained(path, path, kind)


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
        A session without its training part.

    Raises:
        RunError: If the run has no checkpoint, or a damaged one.
        DataError: If the data does not have the classes that the run was trained on.
    """
    from kvision.engine import runfolder, session

    recipe = resolved or catalog.from_run(trained.run)
    source = narrow(catalog.source(recipe.recipe.data.source))
    recorded = runfolder.read_json(trained.run / runfolder.ENVIRONMENT).get("precision", "fp32") if precision is None else precision
    preprocess = session.recorded_preprocess(trained.run)
    made = session.open_session(
        recipe, catalog.system(recipe.recipe.system), source, devices=devices, precision_name=recorded, training=False, preprocess=preprocess
    )
    expected, found = runfolder.read_json(trained.run / runfolder.DATA)["class_names"], list(made.pipeline.info.class_names)
    if len(found) != len(expected):
        raise DataError(
            f"the data has {len(found)} classes ({', '.join(found)}), the run {len(expected)} ({', '.join(expected)}); give data with the same"
        )
    if trained.origin.is_file():
        _load_file(made, trained.origin)
    else:
        session.restore(made, trained.origin, trained.weights)
    return made


def recorded(run: Path) -> Callable[[type[Source]], type[Source]]:
    """For `open_session(narrow=...)`: a source that knows the run's classes and has no examples, so that predicting needs no training data."""
    from kvision.data.source import DataInfo, Source
    from kvision.engine import runfolder

    data = runfolder.read_json(run / runfolder.DATA)
    every = frozenset({"image", "mask", "instances", "boxes", "labels", "order", "captions"})
    facts = DataInfo(tuple(data["class_names"]), tuple((r, g, b) for r, g, b in data["palette"]), every)

    class Recorded(Source):
        info = facts

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
    """For `open_session(narrow=...)`: `ImageMasks` of the user's own folder, all of whose files are in the given split."""
    return lambda source: type(source.__name__, (source,), {"whole": split})


def _load_file(session: Session, path: Path) -> None:
    from zipfile import BadZipFile

    try:
        session.system.net.load_weights(path)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise RunError(
            f"{path}: these weights can't be loaded into the run's network ({str(error).splitlines()[0]}); use the run folder itself"
        ) from error
