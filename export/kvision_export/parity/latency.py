"""How long a file takes and how much memory: in a fresh process that loads neither TensorFlow nor Keras, all files by turns.

The files of one measurement run by turns in short bursts, so that what else happens on the machine meets all of them alike and the ratios hold.
Run as `python -m kvision_export.parity.latency`, it reads a request as JSON from the standard input and writes what it found.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from kvision.core import tether
from kvision_export.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

THREADS = (1, 2)
LIMIT_S = 300.0
"""For a few calls of one file."""
_BURST_S = 0.02
_FEWEST = 5


@dataclass(frozen=True)
class Timing:
    """One call of each signature of a file, after warm-up.

    Attributes:
        p50_ms: Median.
        p90_ms: 9 of 10 calls are at most as long.
        runs: Calls measured.
        disturbed: Share of further calls that are left out because another program took the processor in their midst: they would make long calls
            seem longer than short ones. Where nearly all were disturbed, none is left out and this is 1.
    """

    p50_ms: float
    p90_ms: float
    runs: int
    disturbed: float = 0.0


@dataclass(frozen=True)
class Latency:
    """What a file costs to run.

    Attributes:
        timings: By number of threads.
        peak_bytes: By how much the resident memory of a process grows that opens the file and runs it, single-threaded.
    """

    timings: Mapping[int, Timing]
    peak_bytes: int


def measure(files: Mapping[str, Path], *, threads: Sequence[int] = THREADS, budget_s: float = 6.0) -> dict[str, Latency | ExportError]:
    """Measures LiteRT files against each other.

    Args:
        files: By any name; put the fp32 file among them for ratios.
        threads: Numbers of threads.
        budget_s: For each number of threads; a file is run at least 5 times whatever it takes.

    Returns:
        By the names given; in place of a latency, why a file could not be timed, which keeps no other one from it.
    """
    named = {name: str(path) for name, path in files.items()}
    alone = {name: _asked({name: path}, 1, 0.0) for name, path in named.items()}
    able = {name: named[name] for name, answer in alone.items() if not isinstance(answer, ExportError)}
    together = {count: _asked(able, count, budget_s) for count in threads} if able else {}
    found = {}
    for name in named:
        answers = [alone[name], *together.values()]
        failure = next((each for each in answers if isinstance(each, ExportError)), None)
        timings = {count: Timing(**answer[name]["timing"]) for count, answer in together.items()} if failure is None else {}
        found[name] = failure or Latency(timings, alone[name][name]["peak_bytes"])
    return found


def _asked(files: Mapping[str, str], threads: int, budget_s: float) -> Any:
    """What a fresh process says of files, or why it says nothing."""
    request = {"files": files, "threads": threads, "budget_s": budget_s, "parent": os.getpid()}
    names, limit_s = ", ".join(Path(path).name for path in files.values()), LIMIT_S * len(files)
    command = [sys.executable, "-m", "kvision_export.parity.latency"]
    try:
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return ExportError(f"{names}: can't be timed (a few calls took more than {limit_s:g} s)")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        return ExportError(f"{names}: can't be timed ({reason})")
    return json.loads(done.stdout.splitlines()[-1])


def _main() -> None:
    import ai_edge_litert.interpreter  # noqa: F401 - here, so that its memory does not count as the files'

    from kvision_export.parity.runner import Runner

    request = json.loads(sys.stdin.read())
    tether.to(request["parent"])
    resident = psutil.Process().memory_info
    before = resident().rss
    calls = {name: _call(Runner(Path(path), request["threads"])) for name, path in request["files"].items()}
    opened = resident().rss
    samples = by_turns(calls, request["budget_s"])
    peak = max(resident().rss, opened) - before
    print(json.dumps({name: {"timing": asdict(summary(taken)), "peak_bytes": peak} for name, taken in samples.items()}))


@dataclass
class Samples:
    """Seconds of the calls of one function.

    Attributes:
        calm: Of those that were not interrupted.
        disturbed: Of those in whose midst the system gave the processor to another program.
    """

    calm: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)

    @property
    def spent(self) -> float:
        """Seconds of all calls."""
        return sum(self.calm) + sum(self.disturbed)

    def take(self, call: Callable[[], object]) -> None:
        """Calls once."""
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw, time.perf_counter()
        call()
        seconds = time.perf_counter() - started
        interrupted = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw > before
        (self.disturbed if interrupted else self.calm).append(seconds)

    def enough(self, share_s: float) -> bool:
        """Whether the function had its share of the time and enough calls: calm ones, or, on a busy machine, three shares of any."""
        calls = len(self.calm) + len(self.disturbed)
        return calls >= _FEWEST and self.spent > (share_s if len(self.calm) >= _FEWEST else 3 * share_s)


def by_turns(calls: Mapping[str, Callable[[], object]], budget_s: float) -> dict[str, Samples]:
    """Times functions by turns, in bursts of about 20 ms, until the budget is spent.

    Args:
        calls: What to time, by name; each is called twice beforehand.
        budget_s: Seconds for all together; each is called at least 5 times.

    Returns:
        The times, by name.
    """
    for call in calls.values():
        call()
        call()
    samples = {name: Samples() for name in calls}
    waiting = dict(calls)
    while waiting:
        for name, call in waiting.items():
            until = time.perf_counter() + _BURST_S
            samples[name].take(call)
            while time.perf_counter() < until:
                samples[name].take(call)
        # A slow one would take all the time: it stops once it had its share.
        waiting = {name: call for name, call in waiting.items() if not samples[name].enough(budget_s / len(calls))}
    return samples


def summary(taken: Samples) -> Timing:
    """Median and 90th percentile of the calls that were not interrupted, as far as there are enough."""
    calm = len(taken.calm) >= _FEWEST
    seconds = taken.calm if calm else [*taken.calm, *taken.disturbed]
    p50, p90 = np.percentile(np.asarray(seconds) * 1000, [50, 90])
    share = len(taken.disturbed) / (len(taken.calm) + len(taken.disturbed)) if calm else 1.0
    return Timing(round(float(p50), 4), round(float(p90), 4), len(seconds), round(share, 3))


def _call(runner: Any) -> Callable[[], object]:
    """One call of each signature of a file, on noise of the size that networks are used to."""
    generator = np.random.default_rng(0)
    given: dict[str, dict[str, np.ndarray]] = {}
    for name, signature in runner.signatures.items():
        given[name] = {}
        for tensor_name, tensor in signature.inputs.items():
            shape, dtype = [max(size, 1) for size in tensor.shape], np.dtype(tensor.dtype)
            noise = generator.standard_normal(shape)
            # Whole numbers that are not quantized may be indices: 0 is one that exists.
            scaled = noise if dtype.kind == "f" else np.clip(noise * 40, 0, 127) if tensor.scale else np.zeros(shape)
            given[name][tensor_name] = scaled.astype(dtype)
    return lambda: [runner.run_raw(name, inputs) for name, inputs in given.items()]


if __name__ == "__main__":
    _main()
