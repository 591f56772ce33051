"""The loop of a sweep: asks for trials, trains each in a process of its own, stops those without prospects, writes down what came of it."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kvision import catalog
from kvision.core.disk import writing
from kvision.core.errors import DivergedError, RecipeError, RunError
from kvision.core.names import did_you_mean
from kvision.engine.runfolder import RESOLVED, read_json, recipe_hash
from kvision.engine.system import is_better
from kvision.sweep.terms import decode
from kvision.sweep.training import Training
from kvision.sweep.trials import best_first

if TYPE_CHECKING:
    import optuna

    from kvision.engine.signals import StopRequest
    from kvision.sweep.plan import Plan
    from kvision.sweep.progress import Progress
    from kvision.sweep.study import Study
    from kvision.sweep.trials import Trial

POLL_S = 0.5
"""Seconds between two looks at the trainings."""
MOST_COPIES = 50
"""After so many proposals in a row that were tried before, the search has nothing more to say."""
MOST_CRASHES = 3
"""When the first so many trainings crash, the others would, too."""


@dataclass
class Job:
    """A trial that is training here.

    Attributes:
        asked: The study's trial.
        values: Its values by dotted path.
        training: Its process.
        best: The best value of the metric so far; NaN before the first.
        epochs: Epochs trained.
        pruned: Whether it is being stopped for want of prospects.
    """

    asked: optuna.Trial
    values: dict[str, Any]
    training: Training
    best: float = math.nan
    epochs: int = 0
    pruned: bool = False


@dataclass
class Worker:
    """Works on a study until it has the trials that were asked for, or is asked to stop.

    Attributes:
        plan: What was asked for.
        study: The trials.
        progress: Who is told.
        stop: Whether somebody pressed Ctrl-C.
        jobs: The trials that are training here.
    """

    plan: Plan
    study: Study
    progress: Progress
    stop: StopRequest
    jobs: list[Job] = field(default_factory=list)
    _exhausted: bool = False

    def run(self) -> None:
        """Trains trial after trial.

        Raises:
            RunError: If the first trainings all crash, the metric does not exist, the recipe's file changes meanwhile, or nothing can be written.
        """
        try:
            with writing(self.plan.folder, "the sweep", "--study"):
                while self.stop.signal is None:
                    if len(self.jobs) < self.plan.jobs:
                        self.study.retry_lost()
                    while len(self.jobs) < self.plan.jobs and self.stop.signal is None and self._begin():
                        pass
                    if not self.jobs:
                        return
                    time.sleep(POLL_S)
                    self._look()
        finally:
            self._hand_on()

    def _begin(self) -> bool:
        """Begins a training if there is one to begin."""
        by_chance = False
        for _ in range(MOST_COPIES):
            trials = self.study.trials()
            if self._exhausted or sum(trial.trained for trial in trials) >= self.plan.trials:
                return False
            asked = self.study.ask(by_chance=by_chance)
            if asked is None:
                break
            if self._start(asked, trials):
                return True
            by_chance = True
        self._exhausted = True
        self.progress.say("every set of values that the search proposes has been tried; it ends here")
        return False

    def _start(self, asked: optuna.Trial, before: list[Trial]) -> bool:
        """Starts the training of a trial, unless its recipe is not valid or was trained before."""
        values = decode(asked.params)
        try:
            resolved = catalog.load(self.plan.recipe, self.plan.space.overrides(values), self.plan.smoke)
        except RecipeError as error:
            self._require_same_recipe()
            self._ended(self.study.tell(asked, "refused", message="\n".join(problem.message for problem in error.problems)))
            return False
        digest = recipe_hash(resolved.values())
        asked.set_user_attr("recipe_hash", digest)
        twin = next((trial for trial in before if trial.recipe_hash == digest and trial.state not in ("lost", "waiting", "copy")), None)
        if twin is not None:
            self.study.copy(asked, twin)
            return False
        self._require_same_recipe()
        folder = asked.user_attrs["folder"]
        command = self.plan.command(values, self.plan.folder / folder)
        self.jobs.append(Job(asked, values, Training(command, self.plan.folder / folder, self.plan.folder / "logs" / f"{folder}.log")))
        self.progress.began(asked.number, values, folder)
        return True

    def _look(self) -> None:
        """Reads what the trainings have written, and ends those that are done."""
        self.study.beat([job.asked for job in self.jobs])
        for job in list(self.jobs):
            code = job.training.code  # before the rows, so that none is missed
            self._read(job)
            if job.pruned and code is None:
                job.training.stop()
            if code is not None:
                self.jobs.remove(job)
                self._ended(self._judge(job, code))

    def _read(self, job: Job) -> None:
        for row in job.training.new_rows():
            if self.plan.metric not in row:
                columns = [name for name in row if name.startswith("val/")]
                hint = did_you_mean(self.plan.metric, columns)
                raise RunError(f"--metric: metrics.csv has no {self.plan.metric!r}; it has {', '.join(columns)}{hint}")
            value, job.epochs = float(row[self.plan.metric]), int(row["epoch"])
            self.progress.epoch(job.asked.number, job.epochs, value)
            job.best = value if is_better(value, job.best, self.plan.mode) else job.best
            if math.isfinite(value) and self.study.has_no_prospects(job.asked, job.epochs, value):
                job.pruned = True

    def _judge(self, job: Job, code: int) -> Trial:
        """Writes down how a training ended."""
        facts: dict[str, Any] = {"seconds": round(job.training.seconds, 1)}
        if not self._trained_what_it_should(job):
            return self.study.tell(job.asked, "crashed", message=f"its {RESOLVED} is not the recipe of this trial", **facts)
        if code == 0 and math.isfinite(job.best):
            return self.study.tell(job.asked, "finished", job.best, **facts)
        if job.pruned:
            return self.study.tell(job.asked, "pruned", **facts)
        if code == DivergedError.exit_code:
            return self.study.tell(job.asked, "diverged", **facts)
        reason = f"exit code {code}" if code else f"no finite value of {self.plan.metric}"
        return self.study.tell(job.asked, "crashed", message=f"{reason}\n{job.training.tail()}", **facts)

    def _trained_what_it_should(self, job: Job) -> bool:
        """Whether the recipe that the run folder holds, if it came to that, is the trial's, to the last value."""
        facts = job.asked.user_attrs
        file = self.plan.folder / facts["folder"] / RESOLVED
        return not file.exists() or recipe_hash(read_json(file)["values"]) == facts["recipe_hash"]

    def _ended(self, trial: Trial) -> None:
        trials = self.study.trials()
        ranked = best_first(trials, self.plan.mode)
        over = [each for each in trials if each.trained and each.state != "running"]
        self.progress.ended(trial, best=bool(ranked) and ranked[0].number == trial.number, done=len(over), left_s=self._left_s(trials))
        if len(over) >= MOST_CRASHES and all(each.state == "crashed" for each in over):
            raise RunError(
                f"{self.plan.folder}: the first {len(over)} trainings crashed, the last one with {trial.message}\n"
                "mend what is wrong, and begin another sweep with --study, or go on with this one and more --trials"
            )

    def _left_s(self, trials: list[Trial]) -> float | None:
        """About how long the rest will take: the mean time of a trial, for every one that is missing."""
        times = [trial.seconds for trial in trials if trial.seconds is not None and trial.state in ("finished", "pruned", "diverged")]
        if not times:
            return None
        missing = self.plan.trials - sum(trial.trained for trial in trials) + len(self.jobs)
        spent = sum(job.training.seconds for job in self.jobs)
        return max(0.0, sum(times) / len(times) * missing - spent) / self.plan.jobs

    def _require_same_recipe(self) -> None:
        """Trials of two versions of a recipe would not compare."""
        now = catalog.load(self.plan.recipe, self.plan.space.fixed, self.plan.smoke)
        if recipe_hash(now.values()) != recipe_hash(self.plan.held.values()):
            raise RunError(f"{self.plan.recipe}: the recipe has changed since the sweep began; put it back, or begin another sweep with --study")

    def _hand_on(self) -> None:
        """Stops what is still training; others will go on with it."""
        for job in self.jobs:
            job.training.stop()
        with contextlib.suppress(KeyboardInterrupt):
            while any(job.training.code is None for job in self.jobs):
                time.sleep(POLL_S)
                for job in self.jobs:
                    job.training.stop()
        for job in self.jobs:
            self.study.hand_on(job.asked)
        self.jobs.clear()
