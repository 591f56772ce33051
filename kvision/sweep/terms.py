"""The sweep's terms in Optuna's: ranges, values, methods, pruners, states."""

from __future__ import annotations

import contextlib
import json
import math
import warnings
from typing import TYPE_CHECKING, Any, get_args

from kvision.core.errors import RunError, UsageError
from kvision.sweep.ranges import Range
from kvision.sweep.trials import State, Trial

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    import optuna

    from kvision.engine.system import Mode
    from kvision.sweep.plan import Plan
    from kvision.sweep.ranges import Parameter

STARTUP_TRIALS = 5
"""The median rule judges nobody before so many trials have finished."""
WARMUP_EPOCHS = 2
"""It judges no trial before the end of this epoch."""
REDUCTION = 3
"""Of the trials that reach a rung, Hyperband lets one in so many go on."""


def library() -> Any:
    """Optuna, silent; it is imported only when something is searched. UsageError if it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError(f"kvision sweep needs {error.name}, which is not installed: pip install 'kvision[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings of what it calls experimental: heartbeats outside of its own loop, and values given to a sampler."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turns the faults of a database that fails in the middle of a sweep into one clear message."""
    try:
        yield
    except library().exceptions.StorageInternalError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise RunError(f"{folder}: the study's database failed: {reason}; when it works again, the same command goes on") from error


def distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """What Optuna calls a parameter's values; choices are JSON texts, for it can keep no lists."""
    kinds = library().distributions
    if not isinstance(parameter, Range):
        return kinds.CategoricalDistribution([json.dumps(value) for value in parameter.values])
    if parameter.whole:
        return kinds.IntDistribution(int(parameter.low), int(parameter.at(1.0)), log=parameter.log, step=parameter.step)
    return kinds.FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def encode(parameter: Parameter, value: Any) -> Any:
    """A value as Optuna keeps it."""
    return value if isinstance(parameter, Range) else json.dumps(value)


def decode(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values that Optuna keeps, as the recipe has them: every text is JSON."""
    return {path: json.loads(value) if isinstance(value, str) else value for path, value in params.items()}


def pruner(plan: Plan) -> optuna.pruners.BasePruner:
    """Who decides that a trial has no prospects."""
    kinds = library().pruners
    if plan.prune == "median":
        return kinds.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS)
    if plan.prune == "hyperband":
        return kinds.HyperbandPruner(min_resource=1, max_resource=plan.most_epochs, reduction_factor=REDUCTION)
    return kinds.NopPruner()


def fate(state: str) -> optuna.trial.TrialState:
    """Optuna's state of a trial that ended without a result: TPE learns from pruned trials, and leaves failed ones out."""
    states = library().trial.TrialState
    return states.PRUNED if state in ("pruned", "diverged", "refused") else states.FAIL


def trial(frozen: optuna.trial.FrozenTrial, mode: Mode, handed_on: Collection[int | None]) -> Trial:
    """A trial of Optuna's as ours.

    Args:
        frozen: The trial.
        mode: Whether the greatest or the smallest value is the best.
        handed_on: Numbers of the trials that others go on with.

    Returns:
        The trial.
    """
    facts = frozen.user_attrs
    state: State = "waiting" if frozen.state.name == "WAITING" else "running"
    if frozen.state.is_finished():
        state = facts["state"] if facts.get("state") in get_args(State) else "lost" if frozen.number in handed_on else "crashed"
    seen = [value for value in frozen.intermediate_values.values() if math.isfinite(value)]
    so_far = (max if mode == "max" else min)(seen) if seen else None
    done = frozen.state.name == "COMPLETE"
    return Trial(
        number=frozen.number,
        values=decode(frozen.params),
        state=state,
        result=frozen.value if done else so_far,
        epochs=max(frozen.intermediate_values, default=0),
        seconds=facts.get("seconds"),
        folder=facts.get("folder", ""),
        message=facts.get("message", "its worker was killed, and so was that of the trial it goes on with" if state == "crashed" else ""),
        recipe_hash=facts.get("recipe_hash", ""),
        round=facts.get("round", 0),
        twin=facts.get("twin"),
    )
