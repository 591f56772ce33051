"""Evaluation of a split, exactly: sums over replicas and batches in constant memory, and what is known of each example."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf

from kvision.core.disk import writing
from kvision.core.errors import DataError, UsageError
from kvision.core.jsonable import jsonable
from kvision.engine import runfolder
from kvision.engine.strategy import distribute, gathered
from kvision.metrics.selection import SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from kvision.engine.film import Film
    from kvision.engine.session import Session
    from kvision.engine.system import Batch, System

    Show = Callable[[int], "Shown"]


class Shown(NamedTuple):
    """An example for people.

    Attributes:
        picture: As `System.picture` draws it.
        words: What the network says, if it speaks in words.
        film: If it has one.
    """

    picture: Image.Image
    words: str = ""
    film: Film | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        metrics: As `System.metrics` and `System.judge` give them.
        tables: As `System.tables` gives them.
        scores: What `System.judge` said of each example by name, `[N]` in the order of their numbers, `worst` first.
    """

    metrics: Mapping[str, float]
    tables: Mapping[str, Any]
    scores: Mapping[str, np.ndarray]

    @property
    def count(self) -> int:
        """N, the examples evaluated."""
        return len(next(iter(self.scores.values())))


class Evaluator:
    """The validation split of a session, batch by batch, in a graph that is traced once.

    Args:
        session: With or without its training part.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._batches: Any = None
        self._graph = tf.function(self._batch)

    def run(self, sums: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        """Evaluates with the weights as they are.

        Args:
            sums: The statistics of `System.eval_step`, to which each batch adds, in int64 or float64; empty at first.

        Yields:
            After each global batch, what is known of its examples `[b, ...]` (those of weight 0 are left out): `index` and the rest by name.

        Raises:
            KvisionError: If the system can't go through with it, such as an agent whose environment fails.
        """
        if self._batches is None:
            self._batches = distribute(self._session.strategy, self._session.pipeline.val)
        for batch in self._batches:
            totals, examples = self._asked(batch)
            add(sums, totals)
            known = {name: values.numpy() for name, values in examples.items()}
            known |= {name: self._session.workers.texts(values) for name, values in known.items() if values.dtype == object}
            kept = known.pop("weight") > 0
            yield {name: values[kept] for name, values in known.items()}

    def _asked(self, batch: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """What the graph says of a global batch; what fails is told in the user's words where the system knows them."""
        try:
            with self._session.workers.watched():
                found: tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]] = self._graph(batch)
        except tf.errors.OpError as error:
            raise (self._session.system.blame() or error) from error
        return found

    def _batch(self, batch: Any) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Summed statistics of one global batch, and `index`, `weight` and what is known of its examples `[B, ...]`."""
        strategy, system = self._session.strategy, self._session.system

        def replica(part: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
            sums, scores = system.eval_step(part)
            return sums, {"index": part["index"], "weight": part["weight"], **scores}

        sums, examples = strategy.run(replica, (batch,))
        totals = {name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in sums.items()}
        return totals, {name: gathered(strategy, values) for name, values in examples.items()}


def add(sums: dict[str, np.ndarray], totals: Mapping[str, tf.Tensor]) -> None:
    """Adds the statistics of one batch, as `System.eval_step` gives them, in int64 or float64."""
    for name, value in totals.items():
        array = value.numpy()
        sums[name] = sums.get(name, 0) + array.astype(np.float64 if array.dtype.kind == "f" else np.int64)


def evaluate(session: Session, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Evaluation:
    """Evaluates the session's validation split with the weights as they are.

    Args:
        session: With or without its training part.
        progress: Called after each batch with the batches done and their number.

    Returns:
        Metrics, tables and the examples' scores. Sums are kept in int64 and float64, so the result depends neither on the number of replicas
        nor on the batch size, but for the rounding of the network itself.

    Raises:
        DataError: If there are no examples.
    """
    pipeline = session.pipeline
    if pipeline.num_val == 0:
        raise DataError("there are no examples to evaluate; give data that has some, or another --split")
    sums: dict[str, np.ndarray] = {}
    parts = []
    for done, examples in enumerate(Evaluator(session).run(sums), start=1):
        parts.append(examples)
        progress(done, pipeline.val_steps)
    metrics, scores = judged(session.system, sums, parts)
    return Evaluation(metrics, session.system.tables(sums), scores)


def judged(
    system: System, sums: Mapping[str, np.ndarray], parts: Sequence[Mapping[str, np.ndarray]]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """What a whole split says of a system.

    Args:
        system: The system.
        sums: The statistics of `System.eval_step`, added up.
        parts: What it said of the examples of each batch, as `Evaluator.run` yields it.

    Returns:
        The metrics; and numbers about each example by name `[N]`, in the order of their numbers.
    """
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(found.pop("index"))
    metrics, scores = system.judge({name: values[order] for name, values in found.items()})
    return {**system.metrics(sums), **metrics}, scores


def write(
    session: Session,
    out_dir: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    option: str = "--run-dir",
    films: bool = False,
) -> Evaluation:
    """Evaluates, and writes evaluation.json and pictures/ with the examples that the system chooses and `SHOWN` random ones.

    Of a system that acts they are the episodes that it chooses, in strips of frames. All workers evaluate, and the chief writes.

    Args:
        session: With or without its training part.
        out_dir: A run folder, or any folder; made if need be.
        progress: Called after each batch with the batches done and their number.
        option: The option of the command line that names another folder, for the message.
        films: Whether films of the episodes are written, too, which takes a while.

    Returns:
        What was found; the random examples are the same for the same `train.seed`.

    Raises:
        DataError: If there are no examples.
        RunError: If the folder can't be written.
    """
    found = evaluate(session, progress=progress)
    if not session.workers.chief:
        return found
    kinds = session.system.examples(found.scores)
    if not session.system.plays:
        generator = np.random.default_rng(session.recipe.train.seed)
        kinds = {**kinds, "random": generator.choice(found.count, min(SHOWN, found.count), replace=False)}
    show = functools.cache(_player(session) if session.system.plays else _drawer(session))  # an example may be of several kinds
    examples = []
    with writing(out_dir, "the evaluation", option):
        (out_dir / "pictures").mkdir(parents=True, exist_ok=True)
        for kind, numbers in kinds.items():
            for place, number in enumerate(numbers.tolist(), start=1):
                shown = show(number)
                stem = out_dir / "pictures" / f"{kind}-{place}"
                shown.picture.save(stem.with_suffix(".png"))
                written = shown.film.save(stem) if films and shown.film is not None else {}
                files = {"picture": f"pictures/{stem.name}.png", **{each: f"pictures/{name}" for each, name in written.items()}}
                said = {"words": shown.words} if shown.words else {}
                examples.append({"name": session.pipeline.name("val", number), **files, "kind": kind, **said, **_facts(found, kind, number)})
        runfolder.write_json(out_dir / "evaluation.json", jsonable({"metrics": found.metrics, "tables": found.tables, "examples": examples}))
    return found


def _facts(found: Evaluation, kind: str, number: int) -> dict[str, Any]:
    """`score`, the one that the kind is named after or else the first, and all that is known of an example but the one score."""
    values = {name: each[number].item() for name, each in found.scores.items()}
    first = next(iter(values))
    return {"score": values.get(kind, values[first]), **{name: value for name, value in values.items() if name != first}}


def _drawer(session: Session) -> Show:
    """Draws a validation example and what the network says of it."""
    system, pipeline, predict = session.system, session.pipeline, tf.function(session.system.predict_step)

    def draw(number: int) -> Shown:
        truth = pipeline.raw("val", number)
        seen = system.seen(pipeline.normalised({name: tf.convert_to_tensor(value)[None] for name, value in truth.items()}))
        given = truth.pop(system.given) if system.given in truth else seen[0].numpy()
        output = {name: value[0].numpy() for name, value in predict(seen).items()}
        return Shown(system.picture(given, output, truth), system.words(output))

    return draw


def _player(session: Session) -> Show:
    """Plays a validation episode; where it can't be drawn, draws what is seen in it."""
    draw, undrawn = _drawer(session), set[str]()

    def play(number: int) -> Shown:
        if not undrawn:
            try:
                made = session.system.play(int(session.pipeline.raw("val", number)["seed"]))
                return Shown(next(iter(made.pictures.values())), film=next(iter(made.films.values())))
            except UsageError as error:
                undrawn.add(str(error))
                print(f"warning: no films: {error}", file=sys.stderr)
        return draw(number)

    return play
