"""The members of an ensemble: what they are, trained runs that become members, and copies of their networks for one that holds them all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from kvision.core import faults, paths, words
from kvision.core.errors import RunError, UsageError
from kvision.core.schema import Recipe, Section
from kvision.engine import runfolder
from kvision.systems.classification._part import Classifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    import numpy as np

    from kvision.data.preprocess import Preprocess
    from kvision.data.source import DataInfo, Source


class Part(Section):
    """One member."""

    system: str = Field(description="Its id, such as `classification/lenet`.")
    model: dict[str, Any] = Field(default_factory=dict, description="Its options, as its own recipe has them.")
    run: str | None = Field(None, description="The run that it comes from; kvision sets this.")


@dataclass
class Member:
    """A member in the ensemble's network.

    Attributes:
        system: The member by itself.
        net: A copy of its network on the ensemble's input, all of whose layers have names of their own.
        names: What the member by itself calls the weights of `net`, in their order.
    """

    system: Classifier
    net: keras.Model
    names: list[str]

    def take(self) -> None:
        """Gives the copy the weights that the member by itself has."""
        for mine, its in zip(self.net.weights, self.system.net.weights, strict=True):
            mine.assign(its)


def recipe_of(part: Part, recipe: Recipe) -> Recipe:
    """The member's own recipe, on the ensemble's data.

    Args:
        part: The member.
        recipe: The ensemble's.

    Returns:
        It.

    Raises:
        UsageError: If the member is no classifier, or has no such options.
    """
    from kvision import catalog

    own = catalog.system(part.system)
    if not issubclass(own, Classifier) or part.system == recipe.system:
        raise UsageError(f"system: got {part.system}; a member is a single classifier, `kvision list classification` names them")
    try:
        options = own.Options.model_validate_json(json.dumps(part.model), strict=True)
    except ValidationError as error:
        reasons = [f"model.{fault.dotted}: {fault.message}" for fault in faults.translate(error.errors(), own.Options, part.model)]
        raise UsageError("; ".join(reasons)) from error
    return recipe.model_copy(update={"system": part.system, "model": options})


def check(part: Part, recipe: Recipe) -> list[str]:
    """What is wrong with a member that is to be trained, as its own recipe would be told."""
    from kvision import catalog

    fault = catalog.system_fault(part.system)
    if fault:
        return [f"system: {fault}"]
    if part.run is not None:
        return [f"run: {part.run} is set by kvision; to join runs, name them in model.members"]
    if part.model.get("weights") is not None:
        return [f"model.weights: {part.model['weights']} is for a member that is trained by itself; train it so, and name its run in model.members"]
    try:
        own = recipe_of(part, recipe)
    except UsageError as error:
        return [str(error)]
    return [f"{path}: {message}" for path, message in catalog.system(part.system).check(own) if path.startswith("model.")]


def build(part: Part, number: int, recipe: Recipe, info: DataInfo, image: keras.KerasTensor) -> Member:
    """Builds a member on the ensemble's input.

    Args:
        part: The member.
        number: Which one it is; its layers are named after it.
        recipe: The ensemble's.
        info: The data's.
        image: Input `[B, S, S, 3]`.

    Returns:
        The member, the weights of its copy not yet those of its own network.

    Raises:
        UsageError: As `recipe_of`.
    """
    import keras

    from kvision import catalog
    from kvision.engine import state

    def renamed(operation: Any) -> Any:
        return type(operation).from_config({**operation.get_config(), "name": f"member{number}_{operation.name}"})

    system = catalog.system(part.system)(recipe_of(part, recipe), info)
    system.networks = system.build()
    net = keras.models.clone_model(system.net, input_tensors=image, clone_function=renamed)
    return Member(system, net, list(state.weights({"net": system.net})))  # type: ignore[arg-type]


def settle(part: Part, recipe: Recipe, source: Source) -> None:
    """Raises `UsageError` if a member that is to be trained here needs to be told of the data, which only a run keeps."""
    from kvision import catalog

    decided = [path for path in catalog.system(part.system).settle(recipe_of(part, recipe), source) if path.startswith("model.")]
    if decided:
        raise UsageError(
            f"model.parts: {part.system} leaves {words.listed(decided, 3)} to the data; set it, or train a run and name it in model.members"
        )


def plain(member: Member, base: Path) -> None:
    """Raises `UsageError` if a member that is to be trained here begins with weights, or sees pictures in colours, of its own."""
    if member.system.pretrained(base) is not None:
        raise UsageError(
            f"model.parts: {member.system.recipe.system} with these options sees pictures otherwise than the others do; "
            "train it and others like it as runs, and name them in model.members"
        )


def found(members: Sequence[str], base: Path) -> list[Path]:
    """The run folders and checkpoints that names stand for; `RUN/checkpoints` stands for all that are kept there for good.

    Args:
        members: Paths, from `base` or else from the working folder.
        base: The recipe's folder.

    Returns:
        Absolute paths.

    Raises:
        UsageError: If there is no such folder, or there are fewer than two.
    """
    from kvision.engine import checkpoint

    result: list[Path] = []
    for name in members:
        path = paths.located(name, base)
        if not path.is_dir():
            raise UsageError(f"model.members: {name} is no folder, neither in {paths.display(base)} nor here; give a run or a checkpoint in it")
        index = path / checkpoint.INDEX
        kept = json.loads(index.read_text("utf-8"))["kept"] if path.name == runfolder.CHECKPOINTS and index.is_file() else None
        if kept == []:
            raise UsageError(f"model.members: {name} keeps no snapshots; train with optim.schedule=cosine_restarts or train.keep_every_epochs")
        result += [path] if kept is None else [path / each for each in kept]
    if len(result) < 2:
        raise UsageError(f"model.members: got {words.listed(members, 3)}, expected two members or more")
    return result


def parts(members: Sequence[Path], recipe: Recipe, source: Source) -> list[dict[str, Any]]:
    """What the members are, as plain data; each must have been trained on pictures like the ensemble's.

    Args:
        members: Of `found`.
        recipe: The ensemble's.
        source: The ensemble's data.

    Returns:
        A `Part` for each.

    Raises:
        UsageError: If one has another size, other classes, or was validated on other examples.
        RunError: If one is no run.
    """
    from kvision import catalog
    from kvision.engine import session

    result = []
    for path in members:
        run = _run_of(path)
        own, data = catalog.from_run(run), runfolder.read_json(run / runfolder.DATA)
        pairs = {option: (getattr(own.recipe.data, option), getattr(recipe.data, option)) for option in ("size_px", "fit")}
        pairs["classes"] = (data["class_names"], list(source.info.class_names))
        for what, (its, ours) in pairs.items():
            if its != ours:
                raise UsageError(f"model.members: {path} was trained with data.{what}={its}, here it is {ours}; all must have the same")
        if own.recipe.data.source == recipe.data.source and data.get("files", {}).get("val") != source.report().get("files", {}).get("val"):
            raise UsageError(
                f"model.members: {path} was validated on other examples than are held out here, so it may have learnt from these; "
                "give the options of data by which the run split them, such as val_split, val_size and split_seed"
            )
        result.append({"system": own.recipe.system, "model": session.settled(own).model.model_dump(mode="json"), "run": str(path)})
    return result


def weights(member: Member, path: Path) -> list[np.ndarray]:
    """The best weights of the member's run, or of the checkpoint, in the order of `Member.net.weights`.

    Args:
        member: As `build` made it.
        path: Its run or checkpoint.

    Returns:
        Arrays.

    Raises:
        RunError: If there are none, or they are of another network.
    """
    from kvision.engine import session

    names = [f"net/{name}" for name in member.names]
    checkpoint, values = session.stored(path, names)
    missing = [name for name in names if name not in values]
    if missing:
        raise RunError(f"{checkpoint.path} holds the weights of another model: {words.listed(missing, 3)} are not there; train the member anew")
    return [values[name] for name in names]


def preprocess(members: Sequence[Path]) -> Preprocess:
    """How all members see pictures; raises `UsageError` if they don't see them alike."""
    from kvision.engine import session

    seen = [each for path in members if (each := session.recorded_preprocess(_run_of(path)))]  # a classifier's run has one
    for path, each in zip(members, seen, strict=True):
        if each != seen[0]:
            raise UsageError(
                f"model.members: {path} was trained on pictures of mean {_rounded(each.mean)} and deviation {_rounded(each.std)}, {members[0]} on "
                f"{_rounded(seen[0].mean)} and {_rounded(seen[0].std)}; train them on the same examples"
            )
    return seen[0]


def _rounded(values: Sequence[float]) -> str:
    return "/".join(f"{value:.4f}" for value in values)


def _run_of(path: Path) -> Path:
    return path.parent.parent if path.parent.name == runfolder.CHECKPOINTS else path
