"""What came of a sweep: the best trials, values at the edge of their range, and the files that say so."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kvision import catalog
from kvision.core import disk, words
from kvision.core.errors import RecipeError, RunError
from kvision.engine.runfolder import recipe_hash, write_json
from kvision.sweep import rewrite
from kvision.sweep.ranges import Range
from kvision.sweep.trials import Trial, best_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.engine.system import Mode
    from kvision.sweep.plan import Plan
    from kvision.sweep.ranges import Parameter

BEST = "best.yaml"
TABLE = "trials.csv"
UNORDERED = ("train.seed",)
"""Options whose greater values are not more of anything, so that they have no edges."""


@dataclass(frozen=True)
class Outcome:
    """A sweep, read back.

    Attributes:
        name: Of the study.
        folder: Where it lies.
        recipe: The recipe's name, as typed.
        metric: What counts.
        mode: Whether the greatest or the smallest value is the best.
        parameters: What each option was allowed to be.
        trials: All of them, copies and lost ones included.
        importance: How much of the good results each option explains, 0..1; empty when too few trials finished.
        edges: What to do about best values at the edge of their range, a sentence each.
    """

    name: str
    folder: Path
    recipe: str
    metric: str
    mode: Mode
    parameters: Mapping[str, Parameter]
    trials: Sequence[Trial]
    importance: Mapping[str, float] = field(default_factory=dict)
    edges: Sequence[str] = ()

    @property
    def ranked(self) -> list[Trial]:
        """The finished trials, the best one first."""
        return best_first(self.trials, self.mode)

    @property
    def best(self) -> Trial | None:
        """The best finished trial; none when none has finished."""
        return next(iter(self.ranked), None)

    @property
    def seconds(self) -> float:
        """Of training, all trials together."""
        return sum(trial.seconds or 0.0 for trial in self.trials)

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in which state, those left out that others go on with."""
        states = [trial.state for trial in self.trials if trial.state not in ("lost", "waiting")]
        return {state: states.count(state) for state in dict.fromkeys(states)}


def conclude(plan: Plan, trials: Sequence[Trial], importance: Mapping[str, float]) -> Outcome:
    """Draws the conclusions, and writes trials.csv, sweep.json and best.yaml.

    Args:
        plan: What was asked for.
        trials: The study's.
        importance: As `Outcome.importance`.

    Returns:
        The outcome.

    Raises:
        RunError: If a file can't be written, or the recipe that was written is not the best trial's.
    """
    best = next(iter(best_first(trials, plan.mode)), None)
    outcome = Outcome(
        name=plan.folder.resolve().name,
        folder=plan.folder,
        recipe=plan.recipe,
        metric=plan.metric,
        mode=plan.mode,
        parameters=plan.space.parameters,
        trials=trials,
        importance=importance,
        edges=edges(plan, best) if best is not None else (),
    )
    with disk.writing(plan.folder, "the sweep", "--study"):
        disk.replace(plan.folder / TABLE, _table(outcome).encode())
        write_json(plan.folder / "sweep.json", describe(outcome))
        if best is not None:
            write_best(plan, best, len([trial for trial in trials if trial.trained]))
    return outcome


def edges(plan: Plan, best: Trial) -> list[str]:
    """What to do about values of the best trial that lie at the edge of their range.

    Args:
        plan: What was asked for.
        best: The best trial.

    Returns:
        A sentence for each such value, with a wider range that the recipe's schema takes, or the word that there is none.
    """
    found = []
    for path, value in best.values.items():
        parameter = plan.space.parameters[path]
        side = 0 if path in UNORDERED else parameter.edge(value)
        if side:
            end = "lower" if side < 0 else "upper"
            found.append(f"{path}={words.number(value)} is at the {end} edge of {parameter}: {_advice(plan, best, path, parameter, side)}")
    return found


def _advice(plan: Plan, best: Trial, path: str, parameter: Parameter, side: int) -> str:
    if not isinstance(parameter, Range):
        return f"the best may lie beyond; add {'smaller' if side < 0 else 'greater'} values in another sweep"
    wider = parameter.widened(side)
    if wider == parameter:
        return "the best may lie beyond, where no logarithm goes; search it with int or choice in another sweep"
    beyond = wider.low if side < 0 else wider.high
    try:
        catalog.load(plan.recipe, plan.space.overrides({**best.values, path: beyond}), plan.smoke)
    except RecipeError:
        return "the best may lie beyond, but the recipe takes no such values"
    return f"the best may lie beyond; go on with '{path}={wider}' and more --trials"


def write_best(plan: Plan, best: Trial, trials: int) -> Path:
    """Writes the best trial's recipe: the original's text with the trial's values in it.

    Args:
        plan: What was asked for.
        best: The best trial.
        trials: How many there were.

    Returns:
        Path of best.yaml, which `kvision train` takes as it is.

    Raises:
        RunError: If the values go with the smoke section only, or what was written does not say the same as the trial's recipe.
    """
    texts = plan.space.overrides(best.values)
    resolved = _without_smoke(plan, best, texts)
    there = {text.partition("=")[0]: text for text in [*texts, *rewrite.paths_from(resolved, plan.folder)]}
    searched = f"{plan.metric} {words.number(best.result)}, the best of {words.counted(trials, 'trial')}{' with --smoke' if plan.smoke else ''}"
    target = plan.folder / BEST
    text = rewrite.rewrite(
        resolved.path.read_text(encoding="utf-8-sig"),
        list(there.values()),
        moved=(resolved.path.resolve().parent, plan.folder),
        headline=f"{searched} of {plan.recipe} ({best.name}).   kvision train {target}",
    )
    disk.replace(target, text.encode())
    try:
        catalog.load(target)
    except RecipeError:  # the trial's values, which it got in spite of the smoke section, do not go together with it
        disk.replace(target, rewrite.rewrite(text, without=["smoke"]).encode())
    written, meant = catalog.load(target), catalog.load(plan.recipe, list(there.values()))
    if recipe_hash(written.values() | {"smoke": {}}) != recipe_hash(meant.values() | {"smoke": {}}):
        raise RunError(f"{target}: does not say the same as {best.name}; its recipe.yaml has the best values")
    return target


def _without_smoke(plan: Plan, best: Trial, texts: Sequence[str]) -> Resolved:
    """The best trial's recipe as best.yaml has it: also a search with --smoke looks for values to train without it."""
    try:
        return catalog.load(plan.recipe, texts)
    except RecipeError as error:
        if not plan.smoke:
            raise
        told = "; ".join(problem.message for problem in error.problems)
        raise RunError(f"{plan.folder / BEST}: {best.name} has values that go with the smoke section only: {told}; search without --smoke") from error


def describe(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain JSON values."""
    best = outcome.best
    return {
        "study": outcome.name,
        "recipe": outcome.recipe,
        "metric": outcome.metric,
        "mode": outcome.mode,
        "space": {path: str(parameter) for path, parameter in outcome.parameters.items()},
        "counts": outcome.counts,
        "seconds": outcome.seconds,
        "best": {"number": best.number, "result": best.result, "values": dict(best.values), "folder": best.name} if best is not None else None,
        "importance": dict(outcome.importance),
        "edges": list(outcome.edges),
    }


def _table(outcome: Outcome) -> str:
    """Every trial as a line of CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", outcome.metric, "epochs", "seconds", "folder", "twin", "recipe_hash", *outcome.parameters])
    for trial in outcome.trials:
        facts = [trial.number, trial.state, trial.result, trial.epochs, trial.seconds, trial.folder, trial.twin, trial.recipe_hash]
        writer.writerow([*facts, *(trial.values.get(path) for path in outcome.parameters)])
    return text.getvalue()
