"""Evaluation of a split, exactly and in constant memory: sums over replicas and batches, and the numbers of the worst examples."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.disk import writing
from kvision.core.errors import DataError
from kvision.core.jsonable import jsonable
from kvision.engine import runfolder
from kvision.engine.strategy import distribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kvision.engine.session import Session
    from kvision.engine.system import Batch

SHOWN = 8
"""Worst examples, and as many random ones, that are drawn."""


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        metrics: As `System.metrics` gives them.
        tables: As `System.tables` gives them.
        worst: (score, example number) of the worst examples, the worst first; a score that is not a number counts as the worst.
        count: Examples evaluated.
    """

    metrics: Mapping[str, float]
    tables: Mapping[str, Any]
    worst: tuple[tuple[float, int], ...]
    count: int


class Evaluator:
    """The validation split of a session, batch by batch, in a graph that is traced once.

    Args:
        session: With or without its training part.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._batches: Any = None
        self._graph = tf.function(self._batch)

    def run(self, sums: dict[str, np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
        """Evaluates with the weights as they are.

        Args:
            sums: The statistics of `System.eval_step`, to which each batch adds, in int64 or float64; empty at first.

        Yields:
            After each global batch, `index`, `weight` and score of its examples `[B]`.
        """
        if self._batches is None:
            self._batches = distribute(self._session.strategy, self._session.pipeline.val)
        for batch in self._batches:
            totals, examples = self._graph(batch)
            add(sums, totals)
            yield tuple(values.numpy() for values in examples)

    def _batch(self, batch: Any) -> tuple[dict[str, tf.Tensor], tuple[tf.Tensor, ...]]:
        """Summed statistics of one global batch, and `index`, `weight`, score `[B]` of its examples."""
        strategy, system = self._session.strategy, self._session.system

        def replica(part: Batch) -> tuple[dict[str, tf.Tensor], tuple[tf.Tensor, ...]]:
            sums, score = system.eval_step(part)
            return sums, (part["index"], part["weight"], score)

        sums, examples = strategy.run(replica, (batch,))
        totals = {name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in sums.items()}
        return totals, tuple(tf.concat(strategy.experimental_local_results(values), axis=0) for values in examples)


def add(sums: dict[str, np.ndarray], totals: Mapping[str, tf.Tensor]) -> None:
    """Adds the statistics of one batch, as `System.eval_step` gives them, in int64 or float64."""
    for name, value in totals.items():
        array = value.numpy()
        sums[name] = sums.get(name, 0) + array.astype(np.float64 if array.dtype.kind == "f" else np.int64)


def evaluate(session: Session, *, shown: int = SHOWN, progress: Callable[[int, int], None] = lambda done, total: None) -> Evaluation:
    """Evaluates the session's validation split with the weights as they are.

    Args:
        session: With or without its training part.
        shown: How many of the worst examples to find.
        progress: Called after each batch with the batches done and their number.

    Returns:
        Metrics, tables and the worst examples. Sums are kept in int64 and float64, so the result depends neither on the number of replicas
        nor on the batch size, but for the rounding of the network itself.

    Raises:
        DataError: If there are no examples.
    """
    pipeline = session.pipeline
    if pipeline.num_val == 0:
        raise DataError("there are no examples to evaluate; give data with images and masks, or another --split")
    sums: dict[str, np.ndarray] = {}
    worst: list[tuple[float, int]] = []  # a heap of (-score, -index): its root is the best of the worst, the first to go
    for done, (index, weight, score) in enumerate(Evaluator(session).run(sums), start=1):
        for number, value in zip(index[weight > 0].tolist(), score[weight > 0].tolist(), strict=True):
            entry = (math.inf if math.isnan(value) else -value, -number)
            (heapq.heappush if len(worst) < shown else heapq.heappushpop)(worst, entry)
        progress(done, pipeline.val_steps)
    found = tuple((-score, -number) for score, number in sorted(worst, reverse=True))
    return Evaluation(session.system.metrics(sums), session.system.tables(sums), found, pipeline.num_val)


def write(
    session: Session,
    out_dir: Path,
    *,
    shown: int = SHOWN,
    progress: Callable[[int, int], None] = lambda done, total: None,
    option: str = "--run-dir",
) -> Evaluation:
    """Evaluates, and writes evaluation.json and pictures/ with the worst and some random examples.

    Args:
        session: With or without its training part.
        out_dir: A run folder, or any folder; made if need be.
        shown: How many of the worst, and how many random examples to draw; the random ones are the same for the same `train.seed`.
        progress: Called after each batch with the batches done and their number.
        option: The option of the command line that names another folder, for the message.

    Returns:
        What was found.

    Raises:
        DataError: If there are no examples.
        RunError: If the folder can't be written.
    """
    found = evaluate(session, shown=shown, progress=progress)
    generator = np.random.default_rng(session.recipe.train.seed)
    chosen = generator.choice(found.count, min(shown, found.count), replace=False)
    numbers = [("worst", place, number) for place, (_, number) in enumerate(found.worst, start=1)]
    numbers += [("random", place, number) for place, number in enumerate(chosen.tolist(), start=1)]
    predict = tf.function(session.system.predict_step)
    score = tf.function(lambda batch: session.system.eval_step(batch)[1])
    examples = []
    with writing(out_dir, "the evaluation", option):
        (out_dir / "pictures").mkdir(parents=True, exist_ok=True)
        for kind, place, number in numbers:
            file = f"pictures/{kind}-{place}.png"
            raw = session.pipeline.raw("val", number)
            batch = _single(session, raw)
            output = {name: value[0].numpy() for name, value in predict(batch["image"]).items()}
            truth = {name: value for name, value in raw.items() if name != "image"}
            session.system.picture(raw["image"], output, truth).save(out_dir / file)
            value = float(score(batch)[0].numpy())
            examples.append({"name": session.pipeline.name("val", number), "picture": file, "score": value, "kind": kind})
        runfolder.write_json(out_dir / "evaluation.json", jsonable({"metrics": found.metrics, "tables": found.tables, "examples": examples}))
    return found


def _single(session: Session, raw: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """One example as a batch of its own."""
    batch = {name: tf.convert_to_tensor(value)[None] for name, value in raw.items()}
    return {**batch, "image": session.pipeline.preprocess.normalise(batch["image"]), "weight": tf.ones([1])}
