"""`kvision-edge bench`: how long a prediction takes on this device, where the time goes, and what it costs in memory."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar

import numpy as np

from kvision_edge import flatbuffer
from kvision_edge.model import Model

if TYPE_CHECKING:
    from os import PathLike
    from typing import Union

PERCENTILES = (50, 90, 99)

R = TypeVar("R")


@dataclass(frozen=True)
class Timing:
    """How long one part took, milliseconds.

    Attributes:
        p50: Median.
        p90: 90th percentile.
        p99: 99th percentile.
        least: The fastest.
    """

    p50: float
    p90: float
    p99: float
    least: float


@dataclass(frozen=True)
class Op:
    """What one op adds.

    Attributes:
        name: Such as `CONV_2D`.
        shape: Of its output.
        ms: Time to the end of this op, less the time to the end of the one before, each the least of its runs; the noise may be more.
    """

    name: str
    shape: Tuple[int, ...]
    ms: float


@dataclass(frozen=True)
class Report:
    """What was measured of one file with one setting.

    Attributes:
        format: Of the file.
        interpreter: Name and version.
        threads: Of the interpreter.
        xnnpack: Whether it was allowed.
        load_ms: From the bundle to a model ready to predict.
        first_ms: The first prediction, which warms up.
        parts: `prepare`, `invoke` (the interpreter alone), `decode`, and `predict`, the whole.
        overhead: Median of the time beside the interpreter, as a share of the interpreter's.
        memory_mb: Most memory the process has had, MiB; none where the system does not say.
        operators: How often the interpreter runs each op; none where it does not say.
        by_op: What each op of the file's first graph takes, in their order; none where it was not asked for.
    """

    format: str
    interpreter: str
    threads: int
    xnnpack: bool
    load_ms: float
    first_ms: float
    parts: Dict[str, Timing]
    overhead: float
    memory_mb: Optional[float]
    operators: Optional[Dict[str, int]]
    by_op: Optional[Tuple[Op, ...]] = None

    def to_json(self) -> Dict[str, Any]:
        """All of it, plain."""
        return asdict(self)

    def text(self) -> str:
        """A table for a person."""
        head = f"{self.format} · {self.interpreter} · {self.threads} thread{'s' * (self.threads > 1)} · XNNPACK {'on' if self.xnnpack else 'off'}"
        memory = "" if self.memory_mb is None else f", {self.memory_mb:.0f} MiB at most"
        lines = [head, f"load {self.load_ms:.0f} ms, first prediction {self.first_ms:.0f} ms{memory}", f"{'ms':8}     p50     p90     p99   least"]
        lines += [f"{name:8}{part.p50:8.2f}{part.p90:8.2f}{part.p99:8.2f}{part.least:8.2f}" for name, part in self.parts.items()]
        lines.append(f"beside the interpreter: {self.overhead:+.1%}")
        if self.operators:
            lines.append("ops: " + ", ".join(f"{count} {name}" for name, count in sorted(self.operators.items(), key=lambda item: -item[1])))
        return "\n".join([*lines, *_by_kind(self.by_op or ())])


def measure(
    bundle: Union[str, PathLike[str]],
    *,
    format: str = "",  # noqa: A002
    threads: Optional[int] = None,
    xnnpack: bool = True,
    interpreter: str = "",
    runs: int = 50,
    size: Optional[Tuple[int, int]] = None,
    by_op: bool = False,
) -> Report:
    """Times predictions of one picture, or of the bundle's sample where the network takes none.

    Args:
        bundle: The bundle's folder.
        format: Which of its files.
        threads: Of the interpreter; none: as `Model` chooses.
        xnnpack: Whether XNNPACK computes what it can.
        interpreter: Which one; empty: the first that is installed.
        runs: Predictions that count.
        size: Height and width of the picture, pixels; none: the network's own.
        by_op: Whether each op is timed, too; takes about as long as `runs` predictions for every two ops.

    Returns:
        The figures.
    """
    started = time.perf_counter()
    model = Model(bundle, format=format, threads=threads, xnnpack=xnnpack, interpreter=interpreter)
    load_ms = 1000 * (time.perf_counter() - started)
    given = _example(model, size)
    _, first_ms = _timed(model.predict, given)
    taken: Dict[str, List[float]] = {"prepare": [], "invoke": [], "decode": [], "predict": []}
    for _ in range(runs):
        before = model.runner.seconds
        prepared, prepare_ms = _timed(model.prepare, given)
        outputs, infer_ms = _timed(model.infer, prepared)
        _, decode_ms = _timed(model.decode, outputs, prepared)
        invoke_ms = 1000 * (model.runner.seconds - before)
        for name, value in zip(taken, (prepare_ms, invoke_ms, decode_ms, prepare_ms + infer_ms + decode_ms)):
            taken[name].append(value)
    parts = {name: _timing(values) for name, values in taken.items()}
    beside = [whole - inside for whole, inside in zip(taken["predict"], taken["invoke"])]
    overhead = float(np.median(beside)) / parts["invoke"].p50
    return Report(
        format=model.file.format,
        interpreter=f"{model.engine.name} {model.engine.version}",
        threads=model.runner.threads,
        xnnpack=xnnpack,
        load_ms=load_ms,
        first_ms=first_ms,
        parts=parts,
        overhead=overhead,
        memory_mb=_memory_mb(),
        operators=model.runner.operators(),
        by_op=tuple(ops(model, xnnpack, runs)) if by_op else None,
    )


def ops(model: Model, xnnpack: bool, runs: int) -> Iterator[Op]:
    """What each op of the file's first graph takes. The interpreters' wheels have no profiler, so the file is cut behind each op and timed.

    Args:
        model: The model.
        xnnpack: As the model has it. XNNPACK computes several ops as one where it can; what that saves is then the last one's.
        runs: Calls of each part; the least counts.

    Yields:
        The ops in their order.
    """
    before, content = 0.0, model.bundle.content(model.file.path, model.file.sha256)
    for number, cut in enumerate(flatbuffer.prefixes(content)):
        started = model.engine.start(cut, model.runner.threads, xnnpack)
        for each in started.get_input_details():
            started.set_tensor(each["index"], np.zeros(each["shape"], each["dtype"]))
        least = min(_timed(started.invoke)[1] for _ in range(1 + runs))
        op = started._get_ops_details()[number]
        yield Op(op["op_name"], tuple(started.get_tensor(op["outputs"][0]).shape), least - before)
        before = least


def _by_kind(found: Sequence[Op]) -> List[str]:
    """A line for each kind of op, the most time first, then the slowest ops."""
    if not found:
        return []
    kinds: Dict[str, List[float]] = {}
    for op in found:
        kinds.setdefault(op.name, []).append(op.ms)
    whole = sum(op.ms for op in found)
    lines = [f"by op, of {whole:.2f} ms:"]
    lines += [f"{sum(ms):8.2f} ms {sum(ms) / whole:7.1%}  {len(ms)} {name}" for name, ms in sorted(kinds.items(), key=lambda item: -sum(item[1]))]
    slowest = sorted(enumerate(found), key=lambda item: -item[1].ms)[:5]
    return [*lines, "slowest: " + ", ".join(f"{op.name} number {number} to {list(op.shape)} {op.ms:.2f} ms" for number, op in slowest)]


def _example(model: Model, size: Optional[Tuple[int, int]]) -> Any:
    if model.manifest.preprocess is None:
        return {name: value for name, value in model.bundle.arrays(model.manifest.sample_input).items() if name in model.inputs}
    side = model.manifest.preprocess.size_px
    return np.random.default_rng(0).integers(0, 256, (*(size or (side, side)), 3), np.uint8)


def _timed(function: Callable[..., R], *arguments: Any) -> Tuple[R, float]:
    """A result, and the milliseconds that it took."""
    started = time.perf_counter()
    result = function(*arguments)
    return result, 1000 * (time.perf_counter() - started)


def _timing(values: Sequence[float]) -> Timing:
    p50, p90, p99 = (float(np.percentile(values, percentile)) for percentile in PERCENTILES)
    return Timing(p50, p90, p99, min(values))


def _memory_mb() -> Optional[float]:
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
