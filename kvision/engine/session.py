"""A recipe brought to life: devices, data, networks and, for training, optimizers. Used by train, eval, predict and plan alike."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision.core import words
from kvision.core.errors import RunError, UsageError
from kvision.core.resolved import choices, put
from kvision.core.schema import Chosen
from kvision.data.pipeline import Pipeline
from kvision.data.preprocess import Preprocess
from kvision.engine import checkpoint, fitting, optim, precision, pretrained, recompute, replica, runfolder, state, strategy
from kvision.engine.ema import EMA
from kvision.engine.guard import Guard
from kvision.engine.plateau import Plateau
from kvision.engine.workers import Workers
from kvision.layers import normalization

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from kvision.core.resolved import Resolved
    from kvision.core.schema import Recipe
    from kvision.data.source import Source
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import System


@dataclass(frozen=True)
class Training:
    """What only training needs.

    Attributes:
        total: Steps of the whole run.
        step: int64 variable, steps done.
        updates: One for each optimizer of the system.
        ema: Average of the weights; none if the recipe has none.
        guard: Remembers steps that were not finite.
        plateau: State of the plateau schedule; none for the other schedules.
        loss_scale: float16's loss scale.
        sums: float64, sums over the epoch's steps so far of `loss` and of what `System.reports` names.
        counts: int64, of how many steps: all but those at which it was NaN, which is nothing to tell.
    """

    total: int
    step: tf.Variable
    updates: dict[str, optim.Update]
    ema: EMA | None
    guard: Guard
    plateau: Plateau | None
    loss_scale: precision.LossScale
    sums: dict[str, tf.Variable]
    counts: dict[str, tf.Variable]

    def variables(self) -> dict[str, AnyVariable]:
        """All state of the training but the weights, by stable name."""
        parts: list[Any] = [*self.updates.values(), self.loss_scale, *filter(None, (self.ema, self.plateau))]
        named: dict[str, AnyVariable] = {"step": self.step}
        named |= {f"{name}_sum": variable for name, variable in self.sums.items()}
        named |= {f"{name}_count": variable for name, variable in self.counts.items()}
        for part in parts:
            named |= part.variables
        return {f"train/{name}": variable for name, variable in named.items()}


@dataclass(frozen=True)
class Session:
    """A system with its data on its devices.

    Attributes:
        recipe: The recipe, typed, with what was settled in the place of what stood open.
        resolved: The recipe as it was written, with origins.
        strategy: Where things run; anything that makes variables must be done in its scope.
        precision: `fp32`, `bf16` or `fp16`.
        deterministic: Whether op determinism is on.
        pipeline: The data.
        system: The system, its networks built.
        training: Optimizers and the like; none for a session that only evaluates or predicts.
    """

    recipe: Recipe
    resolved: Resolved
    strategy: tf.distribute.Strategy
    precision: str
    deterministic: bool
    pipeline: Pipeline
    system: System
    training: Training | None

    @property
    def devices(self) -> list[str]:
        """Short names of the replicas' devices, such as `cpu:0`."""
        return [":".join(device.split("/")[-1].split(":")[-2:]).lower() for device in self.strategy.extended.worker_devices]

    @functools.cached_property
    def trained(self) -> System:
        """The system that training steps are asked of: with `optim.recompute` it keeps little for the gradients."""
        return recompute.recomputing(self.system) if self.recipe.optim.recompute else self.system

    @functools.cached_property
    def workers(self) -> Workers:
        """The processes that train together."""
        return Workers(self.strategy)

    @property
    def for_training(self) -> Training:
        """The training part of a session that was opened with one."""
        if self.training is None:
            raise ValueError("the session was opened without its training part; open it with training=True")
        return self.training

    def chosen(self) -> dict[str, Chosen]:
        """What data, machine and `System.fit` decide for options that stand open, by dotted path."""
        epochs, steps = self.recipe.train.epochs, self.pipeline.steps_per_epoch
        why = f"{words.counted(epochs, 'epoch')} of {words.counted(steps, 'step')}" if learns(self.system) else "nothing is learnt step by step"
        data = {f"data.{option}": choice for option, choice in self.pipeline.chosen().items()}
        return {"train.steps": Chosen(why, total_steps(self.recipe, self.system, steps)), **data, **self.system.chosen()}

    def weights(self) -> dict[str, AnyVariable]:
        """The networks' weights by the names that checkpoints use."""
        return {f"net/{name}": variable for name, variable in state.weights(self.system.networks).items()}

    def variables(self) -> dict[str, AnyVariable]:
        """All state by the names that checkpoints use."""
        if self.training is None:
            return self.weights()
        carried = {f"carried/{name}": variable for name, variable in self.system.carried().items()}
        return self.weights() | self.training.variables() | carried


def open_session(
    resolved: Resolved,
    system: type[System],
    source: type[Source],
    *,
    devices: str | tf.distribute.Strategy = "auto",
    precision_name: str = "fp32",
    deterministic: bool = False,
    training: bool = True,
    begin: bool | None = None,
    preprocess: Preprocess | None = None,
    data_service: str | None = None,
) -> Session:
    """Builds everything that a recipe describes; what is random comes from `train.seed`.

    Args:
        resolved: The resolved recipe.
        system: The class that `recipe.system` names.
        source: The class that `recipe.data.source` names.
        devices: As `--devices`: `auto`, `cpu`, `cpu:2`, `gpu`, `gpu:0,1`, `tpu`; or a strategy of `strategy.make`.
        precision_name: `fp32`, `bf16` or `fp16`.
        deterministic: Whether to turn on op determinism, for this process.
        training: Whether optimizers and the like are wanted.
        begin: Whether to put in the weights that a training begins with (`System.pretrained`, `System.fit`), and not leave them random because
            others follow; none: if `training`.
        preprocess: The preprocessing of an earlier run; none: in the colours that those weights know, or else in those of the training split.
        data_service: `HOST:PORT` of `kvision data serve`, which is to prepare the training batches; none: this process does.

    Returns:
        The session.

    Raises:
        UsageError: If devices, precision or batch do not fit this machine.
        DataError: If the data can't be used.
        RunError: If the weights that a training begins with can't be read, or fit another network.
    """
    if settled(resolved).data.batch_is_open:
        if not isinstance(devices, str):
            raise UsageError("data.batch: auto is tried by one worker alone; with several, give a number: it is the batch of all of them together")
        resolved = fitting.settle(resolved, system, source, devices=devices, precision_name=precision_name)
    recipe = settled(resolved)
    where = strategy.make(devices) if isinstance(devices, str) else devices  # first: logical devices can't be made once TensorFlow has started
    keras.utils.set_random_seed(recipe.train.seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    precision.set_policy(precision_name)
    strategy.per_replica(where, recipe.data.batch, recipe.optim.accumulate if training else 1)
    data = source(recipe.data, seed=recipe.train.seed, base=Path(resolved.base))
    resolved, recipe = _settle(resolved, system, data)
    with Workers(where).watched(), where.scope():
        made = system(recipe, data.info)
        made.networks = made.build()
        _choose_statistics(made, recipe)
        begins = training if begin is None else begin
        start = made.pretrained(Path(resolved.base)) if begins else None
        if start is not None:
            pretrained.put(made.networks, start)
            preprocess = preprocess or start.preprocess(recipe.data)
        pipeline = Pipeline(data, recipe.data, made.fields, recipe.train.seed, preprocess=preprocess, service=data_service)
        if begins:
            made.fit(pipeline.examples)
        part = _training(recipe, made, pipeline, precision_name) if training else None
    return Session(recipe, resolved, where, precision_name, deterministic, pipeline, made, part)


def settled(resolved: Resolved) -> Recipe:
    """The recipe of a run with what `System.settle` decided when it began; of other recipes nothing is decided yet."""
    decided, waiting = resolved.decided(), choices(resolved.recipe)
    return put(resolved.recipe, {path: choice.value for path, choice in decided.items() if path in waiting and waiting[path].value is None})


def _settle(resolved: Resolved, system: type[System], source: Source) -> tuple[Resolved, Recipe]:
    """The recipe with the origins of what `System.settle` decides, or decided when the run began; and with these values in it."""
    recipe = settled(resolved)
    decided = system.settle(recipe, source)
    recipe = put(recipe, {path: choice.value for path, choice in decided.items()})
    return resolved.settled(decided) if decided else resolved, recipe


def _choose_statistics(system: System, recipe: Recipe) -> None:
    """Has batch normalisation look at what `train.batch_norm` says."""
    for network in system.networks.values():
        for layer in network._flatten_layers():
            if isinstance(layer, normalization.BatchNormalization | keras.layers.BatchNormalization):
                layer.synchronized = recipe.train.batch_norm == "synchronized"


def restore(session: Session, run_dir: Path, weights: str = "best") -> checkpoint.Checkpoint:
    """Puts a run's weights into the networks of a session.

    Args:
        session: Opened from the run's recipe; its training part, if it has one, is left alone. Of several workers the chief reads.
        run_dir: The run folder, or one of its checkpoints.
        weights: `best` (the best epoch's, averaged where that epoch was evaluated with the average), `last` or `ema` (the last average).

    Returns:
        The checkpoint that the weights came from; where the last one is damaged, the one before it, which the standard error is told.

    Raises:
        RunError: If there is no such checkpoint, it is damaged, or it belongs to another model.
    """
    names = session.weights()
    found, values = checkpoint.spread(session.workers, stored(run_dir, list(names), weights) if session.workers.chief else None)
    state.write(names, values, str(found.path))
    return found


def stored(run_dir: Path, names: Sequence[str], weights: str = "best") -> tuple[checkpoint.Checkpoint, dict[str, np.ndarray]]:
    """A run's weights.

    Args:
        run_dir: The run folder, or one of its checkpoints.
        names: The weights' names in their order; of a system with several networks those of the first one are enough.
        weights: As for `restore`.

    Returns:
        The checkpoint that they came from, and arrays by name, all that there are.

    Raises:
        RunError: As for `restore`, but whether the names agree is not checked.
    """
    found, values = _find(run_dir, weights)
    averaged = weights == "ema" or (weights == "best" and found.meta.get("evaluated") == "ema")
    if weights == "ema" and not any(name.startswith("train/ema/") for name in values):
        raise RunError(f"{found.path} has no averaged weights, for the recipe has no optim.ema or swa_from; use best or last")
    chosen = {name: value for name, value in values.items() if name.startswith("net/")}
    if averaged and chosen.keys() >= set(names):  # the same order as the weights: see kvision.engine.ema
        chosen |= {name: values[f"train/ema/{number:04d}"] for number, name in enumerate(names)}
    return found, chosen


def recorded_preprocess(run_dir: Path) -> Preprocess | None:
    """The preprocessing that a run was trained with.

    Args:
        run_dir: The run folder.

    Returns:
        As it stands in data.json; none: the run's examples have no pictures.

    Raises:
        RunError: If the run folder does not tell.
    """
    recorded = runfolder.read_json(run_dir / runfolder.DATA)["preprocess"]
    return None if recorded is None else Preprocess.from_json(json.dumps(recorded))


def total_steps(recipe: Recipe, system: System, steps_per_epoch: int) -> int:
    """Steps of a whole run: `epochs` of them, or `train.steps` if that is sooner; one, which changes nothing, if there is nothing to learn."""
    whole = recipe.train.epochs * steps_per_epoch
    return min(whole, recipe.train.steps or whole) if learns(system) else 1


def learns(system: System) -> bool:
    """Whether training steps change anything."""
    return any(system.trainables().values())


def _training(recipe: Recipe, system: System, pipeline: Pipeline, precision_name: str) -> Training:
    """Optimizers and the rest of the training's state; inside the strategy's scope."""
    options, networks = recipe.optim, list(system.networks.values())
    total = total_steps(recipe, system, pipeline.steps_per_epoch)
    system.carried()  # variables are made in the scope
    step, guard, loss_scale = replica.scalar(0, tf.int64, "step"), Guard(), precision.loss_scale(precision_name)
    plateau = Plateau(options.decay, options.patience_epochs) if options.schedule == "plateau" else None
    updates = optim.of_system(system, options, total_steps=total, step=step, loss_scale=loss_scale, guard=guard, plateau=plateau)
    ema = EMA(options.ema, networks, start=round((options.swa_from or 0.0) * total)) if options.averages else None
    sums = {name: replica.scalar(0.0, tf.float64, f"{name}_sum") for name in ("loss", *system.reports)}
    counts = {name: replica.scalar(0, tf.int64, f"{name}_count") for name in sums}
    return Training(total, step, updates, ema, guard, plateau, loss_scale, sums, counts)


def _find(run_dir: Path, weights: str) -> tuple[checkpoint.Checkpoint, dict[str, Any]]:
    """The checkpoint that holds the weights asked for, and its arrays."""
    if checkpoint.FOLDER.fullmatch(run_dir.name):
        return checkpoint.load(run_dir)
    checkpoints = checkpoint.Checkpoints(run_dir / runfolder.CHECKPOINTS)
    best = checkpoints.index()["best"]
    if weights == "best" and best is not None:
        try:
            return checkpoint.load(checkpoints.folder / best)
        except RunError as error:
            others = [str(each.path) for each in checkpoints.all() if each.name != best]
            raise RunError(f"{error}; it held the best weights, the run's others are {', '.join(others) or 'gone'}") from error
    latest = checkpoints.latest_good(warn=lambda message: print(f"warning: {message}", file=sys.stderr))
    if latest is None:
        raise RunError(f"{run_dir} has no checkpoint; is it a run folder? train one first with kvision train RECIPE --run-dir {run_dir}")
    return latest
