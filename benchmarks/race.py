"""Timing several programs against each other on one machine: persistent workers, short blocks in turn, medians of paired ratios.

A worker is a process that prepares named variants and then runs blocks of steps when asked, so that frameworks never share a process and all see
the same state of the machine. Standard library only: workers may run in other environments.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def serve(variants: Mapping[str, Callable[[int], object]]) -> None:
    """The worker's side: tells its variants' names, then runs `{"variant", "steps"}` requests, each after the other, until the input ends."""
    answer = os.fdopen(os.dup(1), "w", buffering=1)
    sys.stdout = sys.stderr
    for run in variants.values():
        run(2)  # compiles, and fills caches
    print(json.dumps({"variants": list(variants)}), file=answer)
    for line in sys.stdin:
        request = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        variants[request["variant"]](request["steps"])
        print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}), file=answer)


class Worker:
    """The racer's side of one worker process."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None, suffix: str = "") -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        self._names = {f"{name}{suffix}": name for name in self._answer()["variants"]}

    @property
    def variants(self) -> list[str]:
        """Names of what it can run."""
        return list(self._names)

    def run(self, variant: str, steps: int) -> dict[str, float]:
        """Runs a block of steps; seconds of wall clock and of CPU, for each step."""
        assert self._process.stdin is not None
        print(json.dumps({"variant": self._names[variant], "steps": steps}), file=self._process.stdin, flush=True)
        return {key: value / steps for key, value in self._answer().items()}

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _answer(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"worker ended: {' '.join(map(str, self._process.args))}")
        return json.loads(line)


@dataclass
class Result:
    """Seconds a step of one variant, one value a round."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def faster_than(self, other: Result, clock: str = "wall_s") -> float:
        """Median over the rounds of how many times faster this is than `other`."""
        return statistics.median(b / a for a, b in zip(getattr(self, clock), getattr(other, clock), strict=True))


def race(workers: Sequence[Worker], rounds: int, steps: int) -> dict[str, Result]:
    """Every variant runs a block in every round; the order turns by one from round to round."""
    order = [(variant, worker) for worker in workers for variant in worker.variants]
    results = {variant: Result() for variant, _ in order}
    for number in range(rounds):
        turn = number % len(order)
        for variant, worker in order[turn:] + order[:turn]:
            measured = worker.run(variant, steps)
            results[variant].wall_s.append(measured["wall_s"])
            results[variant].cpu_s.append(measured["cpu_s"])
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return results


def fastest(results: Mapping[str, Result], names: Iterable[str]) -> str:
    """The variant of the least median time among those of the names; empty: there is none."""
    return min(names, key=lambda name: statistics.median(results[name].wall_s), default="")


def table(results: Mapping[str, Result], baseline: str, batch: int) -> str:
    """A line a variant: milliseconds a step, images a second, and how many times faster than the baseline by wall clock and by CPU time."""
    lines = [f"{'':34}{'ms/step':>9}{'images/s':>10}{'x baseline':>12}{'by CPU':>8}"]
    for name, result in results.items():
        median = statistics.median(result.wall_s)
        wall, cpu = (result.faster_than(results[baseline], clock) for clock in ("wall_s", "cpu_s"))
        lines.append(f"{name:34}{median * 1e3:9.1f}{batch / median:10.1f}{wall:12.2f}{cpu:8.2f}")
    return "\n".join(lines)
