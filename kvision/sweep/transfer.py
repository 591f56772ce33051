"""What `kvision transfer-curve` trains: each method on each number of examples per class, several times; and the curves that come of it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision import catalog
from kvision.core.errors import UsageError
from kvision.data import splits
from kvision.data.labelled_source import LabelledSource
from kvision.engine import fitting, journal, runfolder
from kvision.sweep.plan import TRAIN
from kvision.sweep.queue import Task, is_done
from kvision.systems.classification._transfer import TransferOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.core.schema import Recipe

METHODS = {"scratch": "none", "linear_probe": "linear_probe", "knn": "knn", "freeze": "freeze", "fine_tune": "fine_tune"}
"""Values of `model.transfer` by the names of the methods."""
ALL = "all"
_WARMUP_SHARE = 0.1


@dataclass(frozen=True)
class Point:
    """One training.

    Attributes:
        method: One of `METHODS`.
        samples: Training examples of each class; none: all.
        seed: `train.seed`, which also draws the examples.
    """

    method: str
    samples: int | None
    seed: int

    @property
    def name(self) -> str:
        """Of its run folder."""
        return f"{self.method}-{self.samples or ALL}-seed{self.seed}"


@dataclass(frozen=True)
class Plan:
    """A transfer curve, as the command line asks for it.

    Attributes:
        recipe: The recipe's file or name, as typed.
        overrides: `key=value` texts for all trainings, and `method:key=value` for those of one method.
        weights: What the methods begin with, as `model.weights`; none: as the recipe says.
        methods: Names of `METHODS`.
        samples: Training examples of each class; none: all.
        seeds: How many trainings of each.
        steps: Fewest steps of a training, so that few examples are shown more often.
        folder: Where everything is written.
        smoke: Whether the recipe's smoke section is applied.
        devices: As of `kvision train`.
        precision: As of `kvision train`.
        train: The program that trains.
    """

    recipe: str
    overrides: Sequence[str]
    weights: str | None
    methods: Sequence[str]
    samples: Sequence[int | None]
    seeds: int
    steps: int
    folder: Path
    smoke: bool = False
    devices: str = "auto"
    precision: str = "fp32"
    train: Sequence[str] = TRAIN

    @property
    def points(self) -> list[Point]:
        """The trainings, the cheapest first."""
        return [Point(method, count, seed) for count in self.samples for seed in range(self.seeds) for method in self.methods]

    @property
    def shared(self) -> Resolved:
        """The recipe with what is the same in all trainings."""
        return catalog.load(self.recipe, self._own(None), self.smoke)

    def task(self, point: Point, sizes: np.ndarray) -> Task:
        """The training of a point.

        Args:
            point: Which one.
            sizes: Training examples of each class that there are, int64 `[K]`.

        Returns:
            The training, with as many steps as `steps` and no larger a batch than there are examples.

        Raises:
            RecipeError: If the recipe does not go together with it.
            UsageError: If an override is for a method that there is not.
        """
        given = self._overrides(point)
        resolved = catalog.load(self.recipe, given, self.smoke)
        count = int(sizes.sum() if point.samples is None else np.minimum(sizes, point.samples).sum())
        given = _last([*given, *_fitted(resolved.recipe, count, self.steps)])
        resolved = catalog.load(self.recipe, given, self.smoke)
        options = ["--run-dir", str(self.folder / point.name), "--resume", "--devices", self.devices, "--precision", self.precision]
        return Task(point.name, [*self.train, self.recipe, *given, *options, *(["--smoke"] if self.smoke else [])], resolved.values())

    def _overrides(self, point: Point) -> list[str]:
        """The `key=value` texts of a point, without those that the number of examples decides."""
        kind = METHODS[point.method]
        model = {f"model.{option}": value for option, value in TransferOptions.of_kind(kind).items()}
        if kind != "none" and self.weights is not None:
            model["model.weights"] = self.weights
        drawn = {"data.per_class": point.samples, "train.seed": point.seed}
        return _last([*self._own(None), *_texts(model), *self._own(point.method), *_texts(drawn)])  # what makes the method what it is comes after all

    def _own(self, method: str | None) -> list[str]:
        """The texts that somebody gave for one method, or for all."""
        found = []
        for text in self.overrides:
            head = text.partition("=")[0]
            prefix, colon, _ = head.rpartition(":")
            if colon and prefix not in self.methods:
                raise UsageError(f"{text}: {prefix!r} is none of the methods {', '.join(self.methods)}; write METHOD:KEY=VALUE, or KEY=VALUE for all")
            if prefix == (method or ""):
                found.append(text.removeprefix(f"{prefix}:") if colon else text)
        return found


def check(plan: Plan) -> list[Task]:
    """The trainings of all points; raises as `Plan.task` does, so that no training is the first to find a fault, or if it is no classifier."""
    resolved = plan.shared
    system = resolved.recipe.system
    if not issubclass(catalog.system(system).Options, TransferOptions):
        raise UsageError(f"{plan.recipe}: a transfer curve is for systems that take weights by model.transfer, the classifiers; this is {system}")
    sizes = np.bincount(splits.stratum(_source(resolved).split("train").labels))
    return [plan.task(point, sizes) for point in plan.points]


def _texts(values: Mapping[str, Any]) -> list[str]:
    """`key=value` for each."""
    return [f"{path}={json.dumps(value)}" for path, value in values.items()]


def _last(texts: Sequence[str]) -> list[str]:
    """Of several texts for one key the last one."""
    return list({text.partition("=")[0]: text for text in texts}.values())


def _fitted(recipe: Recipe, count: int, steps: int) -> list[str]:
    """The `key=value` texts that make a recipe fit for `count` examples: batch, epochs and warm-up."""
    batch = min(fitting.START if recipe.data.batch_is_open else recipe.data.batch, count)
    epochs = max(recipe.train.epochs, math.ceil(steps / (count // batch)))
    warmup = min(recipe.optim.warmup_steps, int(_WARMUP_SHARE * epochs * (count // batch)))
    return _texts({"data.batch": batch, "train.epochs": epochs, "optim.warmup_steps": warmup})


def _source(resolved: Resolved) -> LabelledSource:
    recipe = resolved.recipe
    made = catalog.source(recipe.data.source)(recipe.data, seed=recipe.train.seed, base=resolved.base)
    if not isinstance(made, LabelledSource):
        raise UsageError(f"data.source: {recipe.data.source} has no labels of whole pictures, which a transfer curve counts")
    return made


@dataclass(frozen=True)
class Value:
    """What came of a method at a number of examples.

    Attributes:
        samples: Examples of each class that were asked for; none: all.
        per_class: Examples of a class that there were, on average.
        errors: 1 minus the metric after the last epoch, of each seed.
    """

    samples: int | None
    per_class: float
    errors: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return sum(self.errors) / len(self.errors)

    @property
    def low(self) -> float:
        """Of the best seed."""
        return min(self.errors)

    @property
    def high(self) -> float:
        """Of the worst seed."""
        return max(self.errors)

    @property
    def label(self) -> str:
        """How many examples, in words."""
        return str(self.samples or ALL)


@dataclass(frozen=True)
class Curves:
    """What came of it.

    Attributes:
        recipe: As typed.
        metric: Column of metrics.csv, whose distance from 1 is the error.
        curves: Values by method, rising in examples; only of trainings that are done.
        missing: Names of the trainings that are not.
    """

    recipe: str
    metric: str
    curves: Mapping[str, Sequence[Value]]
    missing: Sequence[str]

    def facts(self) -> dict[str, Any]:
        """As plain JSON values, of each value also the mean and its ends."""
        curves = {
            method: [{**asdict(value), "mean": value.mean, "low": value.low, "high": value.high} for value in values]
            for method, values in self.curves.items()
        }
        return {"recipe": self.recipe, "metric": self.metric, "error": f"1 - {self.metric}", "curves": curves, "missing": list(self.missing)}


def conclude(plan: Plan, tasks: Sequence[Task]) -> Curves:
    """Reads the runs that are done; nothing was chosen on the examples that the error is of, so it is that of the last epoch."""
    done = {point: task for point, task in zip(plan.points, tasks, strict=True) if is_done(plan.folder, task)}
    resolved = plan.shared
    source = _source(resolved)
    metric = f"val/{catalog.system(resolved.recipe.system)(resolved.recipe, source.info).monitor.metric}"
    curves = {}
    for method in plan.methods:
        values = []
        for samples in plan.samples:
            names = [point.name for point in done if (point.method, point.samples) == (method, samples)]
            if names:
                rows = [journal.read_rows(plan.folder / name / journal.METRICS)[-1] for name in names]
                count = runfolder.read_json(plan.folder / names[0] / runfolder.DATA)["num_train"]
                values.append(Value(samples, count / source.info.num_classes, tuple(1.0 - float(row[metric]) for row in rows)))
        curves[method] = values
    return Curves(plan.recipe, metric, curves, [task.name for point, task in zip(plan.points, tasks, strict=True) if point not in done])
