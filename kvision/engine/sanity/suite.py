"""All sanity tests of a recipe, one after the other, each told as soon as it is known. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.engine import pretrained
from kvision.engine.sanity import activations, gradients, initial_loss, inputs, labels, overfit, regularisation, updates
from kvision.engine.sanity.plain import plain, quiet
from kvision.engine.sanity.verdict import Verdict, skipped
from kvision.engine.session import learns, open_session
from kvision.engine.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kvision.core.resolved import Resolved
    from kvision.core.schema import Recipe
    from kvision.data.source import Source
    from kvision.engine.pretrained import Pretrained
    from kvision.engine.session import Session
    from kvision.engine.system import Batch, System

SAMPLE = 64
"""Training examples that a fresh network is looked at with."""
VALIDATION = 96
"""Validation examples that chance is measured on."""
TINY_BATCH = 4
LEARNT = 0.8
"""What the loss on twenty examples must at least have fallen to, as a share, so that regularisation can be seen to hinder it."""


@dataclass(frozen=True)
class Budget:
    """How much each test may do.

    Attributes:
        overfit: Most steps on the twenty examples.
        learn: Steps with true labels, and as many with exchanged ones.
        regularise: Steps with strong regularisation.
        gradients: Variables whose gradient is checked.
    """

    overfit: int = 500
    learn: int = 300
    regularise: int = 100
    gradients: int = 40


QUICK = Budget(overfit=200, learn=80, regularise=60, gradients=12)


def run(
    resolved: Resolved, system: type[System], source: type[Source], *, tiny: tuple[Resolved, type[Source]] | None = None, budget: Budget | None = None
) -> Iterator[Verdict]:
    """Runs the tests, on one device and in float32.

    Args:
        resolved: The recipe.
        system: The class that `recipe.system` names.
        source: The class that `recipe.data.source` names.
        tiny: The recipe at a tiny size and its source, for the gradients; none: at its own size.
        budget: How much each test may do; none: as much as `Budget()` says.

    Yields:
        The verdicts, in the order in which the course has the tests.

    Raises:
        DataError: If the data can't be used, or has no pictures.
        RunError: If the loss does not depend on a variable that is to be trained.
    """
    budget = budget or Budget()
    simple = plain(resolved, _at_most(overfit.EXAMPLES, resolved))
    session = _open(simple, system, source)
    if not session.pipeline.pictures:
        raise DataError(f"data.source: {resolved.recipe.data.source} has no pictures, and the tests look at pictures and their labels; train at once")
    given = session.system.pretrained(Path(resolved.base))
    trial = Trial(session, session.recipe.optim, budget.learn)
    batch = session.recipe.data.batch
    sample = list(session.pipeline.train(0).take(-(-SAMPLE // batch)))
    yield from inputs.check(np.concatenate([part["image"].numpy() for part in sample]), _raw(session, sample))
    fitted = not learns(session.system)
    origin = "the training examples were fitted to" if fitted else f"the weights begin as those of {given.origin}" if given is not None else ""
    yield skipped("initial loss", origin) if origin else initial_loss.check(session.system, sample)
    yield activations.scale(activations.listen(session.system, sample[:2]))
    if fitted:
        yield skipped("all others", "nothing is learnt step by step, so that there are no gradients and updates to look at")
        return
    yield updates.frozen(session.system, given)
    yield gradients.check(*_tiny(session, sample, tiny), variables=budget.gradients)
    learnt = overfit.check(trial, _few(session), _num_few(session), budget.overfit)
    yield learnt
    yield _regularised(session, resolved.recipe, given, learnt.details["losses"][: budget.regularise])
    yield from _learning(session, trial, sample, budget.learn)


def _at_most(batch: int, resolved: Resolved) -> int:
    """The recipe's batch, or this one if that is larger or open."""
    data = resolved.recipe.data
    return batch if data.batch_is_open else min(batch, data.batch)


def _open(resolved: Resolved, system: type[System], source: type[Source], *, begin: bool = True) -> Session:
    """A session on one device, its random layers quiet; with the weights that a training begins with, or else with random ones."""
    device = "gpu:0" if tf.config.list_physical_devices("GPU") else "cpu"
    session = open_session(resolved, system, source, devices=device, training=False, begin=begin)
    quiet(session.system.networks.values())
    return session


def _raw(session: Session, sample: list[Batch]) -> list[np.ndarray]:
    """The pictures of the sample before normalisation."""
    return [session.pipeline.raw("train", int(index))["image"] for part in sample for index in part["index"].numpy()]


def _tiny(session: Session, sample: list[Batch], tiny: tuple[Resolved, type[Source]] | None) -> tuple[System, Batch]:
    """The system at a tiny size, and a few examples for it."""
    if tiny is not None:
        resolved, source = tiny
        session = _open(plain(resolved, _at_most(TINY_BATCH, resolved)), type(session.system), source, begin=False)
        sample = list(session.pipeline.train(0).take(1))
    return session.system, {name: value[:TINY_BATCH] for name, value in sample[0].items()}


def _regularised(session: Session, asked: Recipe, given: Pretrained | None, losses: Sequence[float]) -> Verdict:
    """Trains on the same examples as `overfit`, from the same weights, with strong regularisation; `losses` are those without."""
    penalties = regularisation.used(asked)
    if not penalties:
        return skipped("regularisation", "the recipe has none")
    if not np.mean(losses[-overfit.WINDOW :]) < LEARNT * losses[0]:
        return skipped("regularisation", "without it the network did not learn either, so that there is nothing to compare with")
    recipe = regularisation.stronger(session.recipe, asked)
    keras.utils.set_random_seed(recipe.train.seed)
    with session.strategy.scope():
        system = type(session.system)(recipe, session.pipeline.info)
        system.networks = system.build()
        if given is not None:
            pretrained.put(system.networks, given)
    quiet(system.networks.values())
    strong = Trial(replace(session, recipe=recipe, system=system), recipe.optim, len(losses))
    return regularisation.verdict(np.array(losses), strong.train(_few(session), len(losses)), penalties)


def _num_few(session: Session) -> int:
    return min(overfit.EXAMPLES, session.pipeline.num_train)


def _few(session: Session) -> tf.data.Dataset:
    """Endless batches of the same few training examples."""
    num = _num_few(session)
    examples = session.pipeline.train(0).unbatch().take(num).cache()
    return examples.shuffle(num, seed=session.recipe.train.seed).repeat().batch(session.recipe.data.batch, drop_remainder=True)


def _learning(session: Session, trial: Trial, sample: list[Batch], steps: int) -> Iterator[Verdict]:
    """The tests of a network that was trained for some steps, with true labels and with those of other examples."""
    batches = session.pipeline.train(0)
    trial.train(batches, steps)
    before = updates.kernels(session.system)
    for _ in trial.steps(batches, 1):
        yield updates.ratio(updates.ratios(before, updates.kernels(session.system)), steps)
    yield activations.dead(activations.listen(session.system, sample), steps)
    batch = session.recipe.data.batch
    examples: Any = labels.gather(list(session.pipeline.val().take(-(-VALIDATION // batch))))
    num = len(examples.get("index", ()))
    if num < labels.LEAST:
        yield from labels.too_few(num)
        return
    chance = labels.Chance(session.system, examples, batch)
    learnt = chance.measure()
    trial.train(batches.map(labels.exchanged), steps)
    yield from labels.check(learnt, chance.measure(), steps, session.system.monitor.metric)
