"""The proof of a file: the whole validation split run on the file itself, beside the Keras networks it was made from, in constant memory."""

from __future__ import annotations

import heapq
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.engine import evaluation, runfolder
from kvision_export.parity import standin
from kvision_export.parity.runner import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras

    from kvision.engine.system import Batch
    from kvision_export.parity.standin import Call
    from kvision_export.subject import Subject

SAME = 1e-6
"""How far the reference may be from what the run recorded of itself."""
DECISIONS = 5000
"""Of an agent, so many observations that it comes to are compared at least, if there is an episode to evaluate on."""
SHOWN = 6
"""Examples that differ most, for a report to draw."""


_LEAST = 1e-9
"""A loss as a share of nothing is as great as can be."""


@dataclass(frozen=True)
class Reference:
    """What the Keras networks reach in float32 on the validation split.

    Attributes:
        metrics: As `System.metrics` gives them.
        count: Examples of the split.
        note: Where it is not what the run's evaluation.json says, that; else empty.
    """

    metrics: Mapping[str, float]
    count: int
    note: str = ""


@dataclass(frozen=True)
class OutputError:
    """How far one output is from the network's, over all values of all examples.

    Attributes:
        largest: Largest absolute difference; NaN where the file gives a number that is none.
        mean: Mean absolute difference.
        range: Difference between the network's largest and smallest value.
        not_finite: Values that are NaN or infinite in the file.
    """

    largest: float
    mean: float
    range: float
    not_finite: int

    @property
    def largest_share(self) -> float:
        """The largest difference as a share of the range."""
        return self.largest / self.range if self.range else (0.0 if self.largest == 0 else math.inf)

    @property
    def mean_share(self) -> float:
        """The mean difference as a share of the range."""
        return self.mean / self.range if self.range else (0.0 if self.mean == 0 else math.inf)


@dataclass(frozen=True)
class Proof:
    """What a file was found to do.

    Attributes:
        metrics: Of the file, as `System.metrics` gives them.
        metric: The monitored metric.
        reference: What the Keras networks reach in it.
        value: What the file reaches.
        drop: How much worse the file is, positive is worse, in the metric's own unit, or as a share of the reference (`System.relative`).
        agreement: Share of the whole numbers of `System.decision` that are the same; none if the system has no such output. Of an agent, of its
            actions for observations that the Keras networks come to.
        errors: By `signature/output`, for the same inputs in both.
        examples: Examples that were run; all of the split.
        differing: Numbers of the examples whose decision differs most, the most first; none where all agree.
        seconds: It took.
        identical: Share of the examples all of whose numbers are the same: of captions, those that are the same to the last word.
    """

    metrics: Mapping[str, float]
    metric: str
    reference: float
    value: float
    drop: float
    agreement: float | None
    errors: Mapping[str, OutputError] = field(default_factory=dict)
    examples: int = 0
    differing: tuple[int, ...] = ()
    seconds: float = 0.0
    identical: float | None = None

    @property
    def not_finite(self) -> int:
        """Values that are NaN or infinite, over all outputs."""
        return sum(error.not_finite for error in self.errors.values())

    @property
    def largest_share(self) -> float:
        """Largest difference of any output, as a share of its range; NaN if one is."""
        shares = [error.largest_share for error in self.errors.values()]
        return math.nan if any(math.isnan(share) for share in shares) else max(shares, default=0.0)

    @property
    def mean_share(self) -> float:
        """Greatest mean difference of an output, as a share of its range."""
        shares = [error.mean_share for error in self.errors.values()]
        return math.nan if any(math.isnan(share) for share in shares) else max(shares, default=0.0)


def refer(subject: Subject) -> Reference:
    """Evaluates the Keras networks as `kvision eval` does.

    Args:
        subject: What is exported.

    Returns:
        Their metrics. Where the run recorded an evaluation of these weights and its monitored metric differs by more than `SAME`, or was found
        in another precision, the note says so.

    Raises:
        DataError: If there are no validation examples.
    """
    found = evaluation.evaluate(subject.session)
    return Reference(found.metrics, found.count, _note(subject, found.metrics))


def prove(subject: Subject, path: Path, reference: Reference) -> Proof:
    """Runs the whole validation split on an exported file.

    Args:
        subject: What it was exported from.
        path: A LiteRT file, or the folder of a SavedModel.
        reference: What `refer` gave.

    Returns:
        What was found.

    Raises:
        ExportError: If the file can't be opened, is not this system's, or fails on an input.
    """
    calls = standin.calls_of(open_file(path), subject.system, str(path))
    return compare(subject, calls, reference)


def compare(subject: Subject, calls: Mapping[str, Call], reference: Reference) -> Proof:
    """As `prove`, for functions by signature."""
    started = time.perf_counter()
    both = _Pass(subject, calls)
    sums: dict[str, np.ndarray] = {}
    parts: list[dict[str, np.ndarray]] = []
    agreed, decided, identical, examples = 0, 0, 0, 0
    differing: list[tuple[float, int]] = []
    for batch in subject.session.pipeline.val():
        kept = int(np.count_nonzero(batch["weight"].numpy()))
        if kept == 0:
            continue
        totals, told, same, numbers = both.step({name: value[:kept] for name, value in batch.items()})
        parts.append({name: value.numpy() for name, value in told.items()})
        shares = zip((same / numbers).numpy().tolist(), batch["index"].numpy().tolist(), strict=False)
        identical += int(tf.math.count_nonzero(same == numbers))
        differing = heapq.nsmallest(SHOWN, [*differing, *((share, number) for share, number in shares if share < 1)])
        evaluation.add(sums, totals)
        agreed, decided, examples = agreed + int(tf.reduce_sum(same)), decided + int(numbers) * kept, examples + kept
    if not examples:
        raise DataError("there are no validation examples to prove a file on; give data that has some")
    monitor, (metrics, _) = subject.system.monitor, evaluation.judged(subject.system, sums, parts)
    expected, value = reference.metrics[monitor.metric], metrics[monitor.metric]
    scale = max(abs(expected), _LEAST) if subject.system.relative else 1.0
    return Proof(
        metrics=metrics,
        metric=monitor.metric,
        reference=expected,
        value=value,
        drop=(expected - value if monitor.mode == "max" else value - expected) / scale,
        agreement=agreed / decided if decided else None,
        differing=tuple(number for _, number in differing),
        errors={name: error.found() for name, error in both.errors.items()},
        examples=examples,
        seconds=time.perf_counter() - started,
        identical=identical / examples if decided else None,
    )


class _Pass:
    """The graph of one batch: the system on the file, and on the Keras networks for the same inputs."""

    def __init__(self, subject: Subject, calls: Mapping[str, Call]) -> None:
        system = subject.system
        on_file = standin.system_on(system, calls)
        self.errors: dict[str, _Sums] = {}
        exact: dict[str, _Once] = {}
        found: dict[str, _Once] = {}
        for signature, role in system.signatures().items():
            exact[role] = _Once(system.networks[role])
            found[role] = _Once(_Compared(signature, system.networks[role], exact[role], on_file.networks[role], self.errors))
        self._each = -(-DECISIONS // max(subject.session.pipeline.num_val, 1))
        self._exact, self._file = system.with_networks(exact), system.with_networks(found)
        self.step = tf.function(self._step)

    def _step(self, batch: Batch) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Statistics of the file, what it says of each example, how many whole numbers of their decisions are the same `[B]`, and of how many."""
        sums, told = self._file.eval_step(batch)
        told = {"index": batch["index"], **told}
        decision, count = self._file.decision, tf.size(batch["weight"])
        if not decision:
            return sums, told, tf.zeros([count], tf.int64), tf.constant(0, tf.int64)
        # Where the steps that judge an answer tell it, too, it is not looked for again: a decoder calls its networks many times.
        seen = self._exact.seen(batch, self._each)
        mine = told[decision] if decision in told else self._file.predict_step(seen)[decision]
        theirs = self._exact.predict_step(seen)[decision]
        same = tf.reshape(tf.cast(tf.equal(mine, theirs), tf.int64), [count, -1])
        return sums, told, tf.reduce_sum(same, axis=1), tf.shape(same, tf.int64)[1]


class _Once:
    """A network that is computed once for the same tensors of a graph, however often the system's steps call it."""

    def __init__(self, network: Any) -> None:
        self.inputs = network.inputs
        self._network = network
        self._known: dict[tuple[Any, ...], Any] = {}

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        key = tuple(tensor.ref() for tensor in tf.nest.flatten(inputs))
        if key not in self._known:
            self._known[key] = self._network(inputs, training=training)
        return self._known[key]


class _Compared:
    """An exported function whose outputs are measured against the network's for the same inputs."""

    def __init__(self, signature: str, net: keras.Model, exact: Any, found: Any, errors: dict[str, _Sums]) -> None:
        self._exact, self._found = exact, found
        self.inputs, self._net = net.inputs, net
        self._sums = {name: errors.setdefault(f"{signature}/{name}", _Sums()) for name in standin.by_name(net, net.output)}

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        found = self._found(inputs, training=training)
        mine, exact = (standin.by_name(self._net, outputs) for outputs in (found, self._exact(inputs, training=training)))
        for name, sums in self._sums.items():
            tf.numpy_function(sums.add, [exact[name], mine[name]], [])
        return found


class _Sums:
    """Differences between two arrays, added up over batches."""

    def __init__(self) -> None:
        self.largest, self.total, self.count, self.not_finite = 0.0, 0.0, 0, 0
        self.low, self.high = math.inf, -math.inf

    def add(self, exact: np.ndarray, found: np.ndarray) -> None:
        """Adds a batch."""
        difference = np.abs(found.astype(np.float64) - exact)
        self.largest = float(np.maximum(self.largest, np.max(difference, initial=0.0)))  # NaN stays NaN
        self.total += float(difference.sum())
        self.count += difference.size
        self.not_finite += int(np.count_nonzero(~np.isfinite(found)))
        self.low, self.high = min(self.low, float(exact.min())), max(self.high, float(exact.max()))

    def found(self) -> OutputError:
        """What came of it."""
        return OutputError(self.largest, self.total / max(self.count, 1), max(self.high - self.low, 0.0), self.not_finite)


def _note(subject: Subject, metrics: Mapping[str, float]) -> str:
    """What sets the reference apart from the run's own evaluation, in words."""
    file = subject.run / "evaluation.json"
    if subject.weights != "best" or subject.origin != subject.run or not file.is_file():
        return ""
    name = subject.system.monitor.metric
    recorded = (runfolder.read_json(file).get("metrics") or {}).get(name)
    if recorded is None or abs(recorded - metrics[name]) <= SAME:
        return ""
    precision = runfolder.read_json(subject.run / runfolder.ENVIRONMENT).get("precision", "fp32")
    why = f"it was trained and evaluated in {precision}" if precision != "fp32" else "its data or the kernels of this machine differ"
    return f"in float32 here {name} is {metrics[name]:.6f}; the run recorded {recorded:.6f}, for {why}"
