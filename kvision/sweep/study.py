"""The memory of a sweep: an Optuna study in a database, which several workers on several machines may share."""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

from kvision.core.errors import UsageError
from kvision.engine.runfolder import recipe_hash
from kvision.sweep import alive, propose, terms
from kvision.sweep.trials import Trial, folder_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import optuna

    from kvision.sweep.plan import Plan

BEAT_S = 60
"""Seconds between two signs of life of a worker."""
SILENT_S = 300
"""After so many seconds without one, other machines take a worker for dead."""


class Study:
    """Trials that were proposed, and what became of them.

    Args:
        plan: What the sweep was asked to do; the study is made if it does not exist yet.

    Raises:
        UsageError: If Optuna is not installed, the database can't be opened, or the study was begun with another recipe, metric or space.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._optuna = terms.library()
        self._distributions = {path: terms.distribution(parameter) for path, parameter in plan.space.parameters.items()}
        self._beat_s = time.monotonic()
        with terms.quiet():
            self._storage, self._study = self._open()
        self._check_unchanged()

    def trials(self) -> list[Trial]:
        """Every trial so far, in the order of their numbers."""
        found = self._frozen()
        handed_on = {frozen.user_attrs.get("retry_of") for frozen in found}
        return [terms.trial(frozen, self._plan.mode, handed_on) for frozen in found]

    def ask(self, *, by_chance: bool = False) -> optuna.Trial | None:
        """The next trial: one that was cut off, or else a new one by the plan's method.

        Args:
            by_chance: Draw at random instead of by TPE.

        Returns:
            The trial, which is running from now on; none when the grid has no more.
        """
        plan, trials = self._plan, self.trials()
        chance = random.Random(f"{plan.seed} {len(trials)}")  # by the number of trials, so that a resumed sweep does not begin again
        round_ = min(sum(trial.trained for trial in trials) * plan.rounds // plan.trials, plan.rounds - 1)
        with terms.quiet():
            if plan.method == "tpe" and not by_chance:
                self._study.sampler = self._optuna.samplers.TPESampler(seed=chance.getrandbits(31))
            else:
                values = self._proposed(trials, round_, chance)
                if values is None and not any(trial.state == "waiting" for trial in trials):
                    return None
                given = {path: terms.encode(plan.space.parameters[path], value) for path, value in (values or {}).items()}
                self._study.sampler = self._optuna.samplers.PartialFixedSampler(given, self._optuna.samplers.RandomSampler())
            asked = self._study.ask(self._distributions)
        for name, value in {"round": round_, "folder": folder_name(asked.number), **asked.user_attrs, "worker": alive.worker()}.items():
            asked.set_user_attr(name, value)
        self._record_beat(asked.number)
        return asked

    def _proposed(self, trials: Iterable[Trial], round_: int, chance: random.Random) -> dict[str, Any] | None:
        """Values by one of our own methods; none when the grid has no more."""
        plan, parameters = self._plan, self._plan.space.parameters
        known = [trial for trial in trials if trial.values]
        if plan.method == "grid":
            return propose.on_grid(parameters, known)
        if plan.method == "coarse-to-fine":
            parameters = propose.narrowed(parameters, known, round_, plan.mode)
        return propose.at_random(parameters, known, chance)

    def has_no_prospects(self, asked: optuna.Trial, epoch: int, value: float) -> bool:
        """Writes down an epoch's metric, and says whether the trial should be stopped."""
        try:
            asked.report(value, step=epoch)
            return bool(asked.should_prune())
        except self._optuna.exceptions.UpdateFinishedTrialError:  # another machine took this worker for dead, and goes on with the trial
            return True

    def tell(self, asked: optuna.Trial, state: str, result: float | None = None, **facts: Any) -> Trial:
        """Writes down how a trial ended.

        Args:
            asked: The trial.
            state: As `Trial.state`.
            result: The value of the metric, if it came to one.
            **facts: Further attributes of `Trial`.

        Returns:
            The trial as it is from now on.
        """
        self._end(asked, state, result, None if result is not None else terms.fate(state), facts)
        return self._numbered(asked.number)

    def copy(self, asked: optuna.Trial, twin: Trial) -> None:
        """Ends a trial that has the values of another one: it takes over what came of that."""
        with contextlib.suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            for epoch, value in self._frozen()[twin.number].intermediate_values.items():
                asked.report(value, epoch)
        result = twin.result if twin.state == "finished" else None
        self._end(asked, "copy", result, None if result is not None else terms.fate(twin.state), {"twin": twin.number})

    def hand_on(self, asked: optuna.Trial) -> None:
        """Ends a trial that is cut off because the worker was asked to stop: another one will go on with it, in the same folder."""
        if self._numbered(asked.number).state == "running":  # and not yet handed on by a machine that took this worker for dead
            self.tell(asked, "lost")
            self._queue(self._frozen()[asked.number], attempt=0)

    def beat(self, running: Iterable[optuna.Trial]) -> None:
        """Tells other machines now and then that these trials go on; to be called often."""
        if time.monotonic() - self._beat_s < BEAT_S:
            return
        self._beat_s = time.monotonic()
        for asked in running:
            self._record_beat(asked.number)

    def retry_lost(self) -> None:
        """Finds trials whose worker is dead, marks them failed, and queues each once more."""
        for frozen in self._frozen():
            if frozen.state.name == "RUNNING" and alive.is_dead(frozen.user_attrs.get("worker"), frozen.datetime_start):
                with contextlib.suppress(ValueError):  # another worker was quicker
                    self._study.tell(frozen.number, state=terms.fate("lost"))
                    self._retry_once(self._study, frozen)
        with terms.quiet():
            self._optuna.storages.fail_stale_trials(self._study)

    def importance(self) -> dict[str, float]:
        """How much of the good results each option explains (PED-ANOVA, arXiv 2304.10255), 0..1, the greatest first; empty when none can tell."""
        parameters = self._plan.space.parameters
        finished = [trial for trial in self.trials() if trial.state == "finished"]
        inside = [trial for trial in finished if all(parameters[path].holds(value) for path, value in trial.values.items())]
        if len({trial.result for trial in inside}) < 2:
            return {}
        with terms.quiet():
            together = self._optuna.create_study(direction=self._study.direction)
            for trial in inside:
                params = {path: terms.encode(parameters[path], value) for path, value in trial.values.items()}
                together.add_trial(self._optuna.create_trial(params=params, distributions=self._distributions, value=trial.result))
            found = self._optuna.importance.get_param_importances(together)
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _open(self) -> tuple[optuna.storages.RDBStorage, optuna.Study]:
        plan = self._plan
        # Other processes may hold SQLite's lock; a server may have closed a connection that said nothing during a long epoch.
        settings: dict[str, Any] = {"pool_pre_ping": True}
        if plan.url.startswith("sqlite:"):  # its connections cost nothing to make, and without a pool each is closed when it has served
            from sqlalchemy.pool import NullPool

            settings = {"connect_args": {"timeout": 60}, "poolclass": NullPool}
        try:
            storage = self._optuna.storages.RDBStorage(
                plan.url, settings, heartbeat_interval=BEAT_S, grace_period=SILENT_S, heartbeat_stale_trial_callback=self._retry_once
            )
            return storage, self._optuna.create_study(
                storage=storage,
                study_name=plan.folder.resolve().name,
                direction="maximize" if plan.mode == "max" else "minimize",
                pruner=terms.pruner(plan),
                load_if_exists=True,
            )
        except Exception as error:  # SQLAlchemy's, each database driver's own, or a driver that is not installed
            reason = (str(error) or type(error).__name__).splitlines()[0]
            remedy = "a URL is like postgresql://user@host/database, and its driver must be installed" if plan.storage else "choose another --study"
            raise UsageError(f"{'--storage' if plan.storage else plan.folder}: the study can't be opened: {reason}; {remedy}") from error

    def _check_unchanged(self) -> None:
        """What must be as it was for results to be comparable is written down, or compared; the ends of ranges may move, to widen a search."""
        plan = self._plan
        now = {"metric": plan.metric, "mode": plan.mode, "smoke": plan.smoke, "precision": plan.precision, "recipe": recipe_hash(plan.held.values())}
        before = self._study.user_attrs.get("sweep")
        if before is None:
            self._study.set_user_attr("sweep", now)
            return
        changed = [
            "the recipe, or a value that is held" if name == "recipe" else f"{name} was {before.get(name)!r} and is {value!r} now"
            for name, value in now.items()
            if before.get(name) != value
        ]
        used: Mapping[str, Any] = next((frozen.distributions for frozen in self._frozen() if frozen.distributions), self._distributions)
        changed += [f"the space of {path}" for path in sorted(used.keys() ^ self._distributions.keys())]
        for path in sorted(used.keys() & self._distributions.keys()):
            try:
                self._optuna.distributions.check_distribution_compatibility(used[path], self._distributions[path])
            except ValueError:
                changed.append(f"the space of {path}")
        if changed:
            raise UsageError(
                f"{plan.folder}: this sweep was begun with something else: {'; '.join(changed)}. Only the ends of ranges may change, or results "
                "would not compare; put it back, or begin another sweep with --study"
            )

    def _end(self, asked: optuna.Trial, state: str, result: float | None, fate: Any, facts: Mapping[str, Any]) -> None:
        with contextlib.suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            for name, value in {**facts, "state": state}.items():
                asked.set_user_attr(name, value)
        self._study.tell(asked, result, state=fate, skip_if_finished=True)

    def _frozen(self) -> list[optuna.trial.FrozenTrial]:
        """Optuna's trials; each stands at its number."""
        return list(self._study.get_trials(deepcopy=False))

    def _numbered(self, number: int) -> Trial:
        return self.trials()[number]

    def _record_beat(self, number: int) -> None:
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        self._storage.record_heartbeat(self._storage.get_trial_id_from_study_id_trial_number(study_id, number))

    def _retry_once(self, study: optuna.Study, frozen: optuna.trial.FrozenTrial) -> None:
        """A killed worker may have died of its trial, so that the same one is not tried for ever."""
        if not frozen.user_attrs.get("attempt"):
            self._queue(frozen, attempt=1)

    def _queue(self, frozen: optuna.trial.FrozenTrial, attempt: int) -> None:
        facts = frozen.user_attrs
        kept: dict[str, Any] = {name: value for name, value in facts.items() if name in ("round", "folder")}
        self._study.enqueue_trial(frozen.params, {**kept, "retry_of": frozen.number, "attempt": max(attempt, facts.get("attempt", 0))})
