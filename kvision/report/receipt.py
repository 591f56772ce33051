"""Receipts: what trainings of a recipe came to, kept beside it as `receipts/<recipe>.json`, and made from run folders alone.

A receipt holds the values that were trained with. It counts for a recipe whose values are still these; only the seed may differ, and what
changes no result.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kvision.core import disk, paths, words
from kvision.core.errors import RunError, UsageError
from kvision.engine.runfolder import FREE, flatten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.core.schema import Expect
    from kvision.report import folder

SEED = "train.seed"
PROOF = "bundle/proof.json"
"""Where `kvision export RUN` proves what it wrote."""
SHOWN = 3
"""Values that are named of a run that was trained by others."""


class _Record(BaseModel):
    """Plain facts, read strictly."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Trial(_Record):
    """What one training came to.

    Attributes:
        seed: `train.seed`.
        value: The recipe's metric at the best epoch.
        epoch: The best epoch, from 1.
        steps: Steps of the whole training.
        seconds: Wall time of its epochs, evaluations included.
        metrics: Every validation metric at the best epoch that is a number.
        precision: `fp32`, `bf16` or `fp16`.
        cpu: The processor's name.
        cores: How many of them the machine has.
        devices: What it was trained on.
        started: When, ISO 8601.
        versions: Of the packages that the result depends on.
        commit: Of kvision's repository, where it was trained from one.
        fingerprint: Of the data.
    """

    seed: int
    value: float
    epoch: int
    steps: int
    seconds: float
    metrics: dict[str, float]
    precision: str
    cpu: str
    cores: int
    devices: tuple[str, ...]
    started: str
    versions: dict[str, str]
    commit: str | None
    fingerprint: str | None

    @property
    def key(self) -> tuple[int, str]:
        """What makes two trainings of one recipe the same: seed and precision."""
        return self.seed, self.precision


class File(_Record):
    """What one exported file was measured to be.

    Attributes:
        format: Such as `tflite-int8-full`.
        verdict: `good`, `compared` for what was measured and not kept, or why it was rejected.
        bytes: Its size.
        metric: What it was judged by.
        value: The metric as the file has it.
        drop: What it loses of the trained networks' metric; below 0 it gains.
        latency_ms: Median of one example on one thread.
    """

    format: str
    verdict: str
    bytes: int
    metric: str
    value: float | None
    drop: float | None
    latency_ms: float | None


class Receipt(_Record):
    """What is known of a recipe from trainings.

    Attributes:
        metric: Column of metrics.csv.
        values: The recipe's values that all trainings had, by dotted path.
        trials: One a seed and precision.
        files: Exported from one of them.
    """

    metric: str
    values: dict[str, Any]
    trials: tuple[Trial, ...]
    files: tuple[File, ...] = ()

    def trial(self, seed: int, precision: str) -> Trial | None:
        """The training with this seed and precision."""
        return next((trial for trial in self.trials if trial.key == (seed, precision)), None)


def path_of(recipe: Path) -> Path:
    """Where a recipe's receipt lies, whether there is one or not."""
    return recipe.parent / "receipts" / f"{recipe.stem}.json"


def read(recipe: Path) -> Receipt | None:
    """The receipt of a recipe.

    Args:
        recipe: The recipe's file.

    Returns:
        None where there is none.

    Raises:
        RunError: If it is damaged.
    """
    path = path_of(recipe)
    if not path.is_file():
        return None
    try:
        return Receipt.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise RunError(f"{path} is no receipt: {error}; delete it, and `kvision verify {paths.display(recipe)} --write` makes another") from error


def write(recipe: Path, receipt: Receipt) -> Path:
    """Writes the receipt of a recipe.

    Args:
        recipe: The recipe's file.
        receipt: All that is known.

    Returns:
        The receipt's file.

    Raises:
        UsageError: If the recipe is part of an installed kvision.
        RunError: If it can't be written.
    """
    if recipe.resolve().is_relative_to(paths.PACKAGE):
        raise UsageError(f"{recipe} belongs to the installed kvision, whose receipts are not yours to write; copy the recipe, or use a checkout")
    path = path_of(recipe)
    with disk.writing(path, "the receipt"):
        path.parent.mkdir(exist_ok=True)
        disk.replace(path, (json.dumps(receipt.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode())
    return path


def make(resolved: Resolved, metric: str, runs: Iterable[folder.RunFolder]) -> Receipt:
    """A receipt of some trainings.

    Args:
        resolved: The recipe.
        metric: Column of metrics.csv that counts.
        runs: Finished runs of the recipe.

    Returns:
        Trials in the order of their seeds; what was exported from the first run that has a bundle.

    Raises:
        RunError: If a run has not finished, has other values than the recipe, or does not measure the metric.
    """
    found = list(runs)
    trials = {}
    kept = {path: value for path, value in flatten(resolved.values()).items() if _counts(path)}
    for run in found:
        values = flatten(run.values)
        kept = {path: value for path, value in kept.items() if path in values}
        other = changed(values, resolved)
        if other:
            told = words.listed([f"{path}: {then!r} there, {now!r} in the recipe" for path, (then, now) in other.items()], SHOWN)
            raise RunError(f"{run.path}: was not trained by {paths.display(resolved.path)} as it is now ({told}); give a run of this recipe")
        trial = _trial(run, metric)
        trials[trial.key] = trial
    files = next((each for run in found if (each := _files(run.path / PROOF))), ())
    return Receipt(metric=metric, values=kept, trials=tuple(trials[key] for key in sorted(trials)), files=files)


def joined(old: Receipt | None, new: Receipt) -> Receipt:
    """Both receipts of a recipe as one: of two trials with the same seed and precision the new one; nothing of an old one that had another metric."""
    if old is None or old.metric != new.metric:
        return new
    trials = {trial.key: trial for trial in (*old.trials, *new.trials)}
    values = {path: value for path, value in new.values.items() if path in old.values}
    return Receipt(metric=new.metric, values=values, trials=tuple(trials[key] for key in sorted(trials)), files=new.files or old.files)


def changed(values: Mapping[str, Any], resolved: Resolved) -> dict[str, tuple[Any, Any]]:
    """The values in which a training and a recipe differ.

    Args:
        values: What was trained with, by dotted path.
        resolved: The recipe as it is now.

    Returns:
        Dotted path -> what was trained with, and what the recipe says now. An option that came later and that the recipe does not set is no
        difference: its default is what was done before.
    """
    now = flatten(resolved.values())
    paths_ = [path for path in {**values, **now} if _counts(path) and values.get(path) != now.get(path)]
    later = {path for path in paths_ if path not in values and path in resolved.origins and not resolved.origins[path].written}
    return {path: (values.get(path), now.get(path)) for path in paths_ if path not in later}


def met(expect: Expect | None, value: float) -> bool | None:
    """Whether a value is as expected; none where no bound is."""
    if expect is None or (expect.at_least is None and expect.at_most is None):
        return None
    return (expect.at_least is None or value >= expect.at_least) and (expect.at_most is None or value <= expect.at_most)


def _counts(path: str) -> bool:
    """Whether an option has to do with the result."""
    return path != SEED and path not in FREE and not path.startswith(("expect.", "cost.", "smoke."))


def _trial(run: folder.RunFolder, metric: str) -> Trial:
    if run.status != "finished":
        raise RunError(f"{run.path}: this run is {run.status}, and only what has finished counts; go on with it by --resume")
    best = run.summary.get("best") or {}
    value = best.get(metric)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise RunError(f"{run.path}: has no {metric} at its best epoch; it has {', '.join(name for name in best if name.startswith('val/'))}")
    facts, git = run.environment, run.environment.get("git") or {}
    return Trial(
        seed=run.values["train"]["seed"],
        value=value,
        epoch=best["epoch"],
        steps=run.summary["steps"],
        seconds=round(sum(float(epoch["seconds"]) for epoch in run.epochs), 1),
        metrics={name: number for name, number in best.items() if name.startswith("val/") and _is_number(number)},
        precision=facts["precision"],
        cpu=facts["cpu"],
        cores=facts["cores"],
        devices=tuple(facts["devices"]),
        started=facts["started"],
        versions=facts["versions"],
        commit=git.get("commit"),
        fingerprint=run.data.get("fingerprint"),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _files(proof: Path) -> tuple[File, ...]:
    """What an export measured; nothing where there was none."""
    if not proof.is_file():
        return ()
    return tuple(
        File(
            format=file["format"],
            verdict=file["verdict"],
            bytes=file["bytes"],
            metric=file["metric"],
            value=file["value"],
            drop=file["drop"],
            latency_ms=file.get("p50_ms_1"),
        )
        for file in json.loads(proof.read_text("utf-8"))["files"]
    )
