"""`data.batch: auto`: the batch that memory suffices for, found by trying the real step.

Each size is tried in a process of its own, which this one watches and ends before the machine runs out of memory; should both be too late, the
kernel ends that process before any other. So a size that does not fit costs some seconds, and nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from kvision.core import quiet, tether, words
from kvision.core import resolved as resolving
from kvision.core.errors import KvisionError, RunError
from kvision.core.schema import Chosen

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from kvision.core.resolved import Resolved, SectionsOf
    from kvision.data.source import Source
    from kvision.engine.system import System

START = 16
"""The batch that is tried first."""
MOST = 65_536
GAIN = 1.1
"""A batch twice as large must be this much faster: fewer and larger steps learn less from the same examples."""
SHARE = 0.8
"""Of the memory that is free, what a training may take; the rest is for what comes after: checkpoints, pictures, the report."""
POLL_S = 0.02
TIMED_STEPS = 3
_CGROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


@dataclass(frozen=True)
class Fit:
    """A batch that was tried and fits.

    Attributes:
        batch: Examples of a step.
        peak_bytes: The most that the process held.
        images_per_s: Training examples a second.
    """

    batch: int
    peak_bytes: int
    images_per_s: float


@dataclass(frozen=True)
class Job:
    """What a process that tries a batch is given: plain data, and classes by their names."""

    resolved: dict[str, Any]
    sections: SectionsOf
    system: type[System]
    source: type[Source]
    devices: str
    precision: str
    parent: int


def settle(resolved: Resolved, system: type[System], source: type[Source], *, devices: str, precision_name: str) -> Resolved:
    """The recipe with the origin of the batch that was found; nothing of TensorFlow has been started in this process before or after.

    Args:
        resolved: A recipe whose `data.batch` is `auto`.
        system: Its system.
        source: Its source.
        devices: As `--devices`.
        precision_name: `fp32`, `bf16` or `fp16`.

    Returns:
        The same recipe, and how the batch was chosen.

    Raises:
        KvisionError: What is wrong with the recipe's data, or `RunError` if not even a step of one example fits.
    """
    job = Job(resolving.to_json(resolved), resolved.sections, system, source, devices, precision_name, os.getpid())
    limit = round(SHARE * room())

    def attempt(batch: int) -> Fit | None:
        print(f"data.batch: auto: trying {batch} …", file=sys.stderr, flush=True)
        return _attempt(job, batch, limit)

    found, beyond = search(attempt)
    why = f"a training step took {words.size(found.peak_bytes)} of {words.size(limit)} that may be used; {beyond}"
    return resolved.with_auto({"data.batch": Chosen(why, found.batch)})


def search(attempt: Callable[[int], Fit | None], start: int = START, most: int = MOST) -> tuple[Fit, str]:
    """Doubles the batch while that fits and pays, or halves it until it fits.

    Args:
        attempt: Tries about so many examples; none: they don't fit, or there are not so many.
        start: The first size to try.
        most: The largest.

    Returns:
        What is best, and why nothing larger is.

    Raises:
        RunError: If not even one example fits.
    """
    best, beyond, batch = attempt(start), "", start
    while best is None:
        if batch == 1:
            raise RunError(
                "data.batch: auto: not even a step of one example fits into memory; use a smaller data.size_px or model, optim.recompute: true, "
                "or a machine with more memory"
            )
        beyond, batch = f"{batch} were too many", batch // 2
        best = attempt(batch)
    while not beyond:
        batch *= 2
        larger = attempt(batch) if batch <= most else None
        if larger is None or larger.batch <= best.batch:
            beyond = f"{batch} were too many"
        elif larger.images_per_s < GAIN * best.images_per_s:
            beyond = f"{larger.batch} was hardly faster, at {larger.images_per_s:.3g} examples/s after {best.images_per_s:.3g}"
        else:
            best = larger
    return best, beyond


def room() -> int:
    """Bytes that this process may still take: what is free on the machine, or in the container that it runs in."""
    free = [psutil.virtual_memory().available]
    for limit, usage in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such group, or `max`
            free.append(int(Path("/sys/fs/cgroup", limit).read_text()) - int(Path("/sys/fs/cgroup", usage).read_text()))
    return max(0, min(free))


def _attempt(job: Job, batch: int, limit: int) -> Fit | None:
    """Tries a batch in a process that may take `limit` bytes."""
    context = multiprocessing.get_context("spawn")  # a fork of a process that runs TensorFlow would hang
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(there, job, batch), daemon=True)
    process.start()
    there.close()
    try:
        answer = _watch(process.pid or 0, here, limit)
    finally:
        process.kill()
        process.join()
    if (process.exitcode or 0) > 0:  # not a signal, such as the one above or one for want of memory
        raise RunError(f"data.batch: auto: what tried {batch} failed; its message is above, and a number in place of auto shows where")
    if isinstance(answer, KvisionError):
        raise answer
    return answer


def _watch(pid: int, answers: Connection, limit: int) -> Fit | KvisionError | None:
    """The answer of a process; none: it ended without one, or had to be ended."""
    with contextlib.suppress(EOFError, psutil.NoSuchProcess):
        watched = psutil.Process(pid)
        while not answers.poll(POLL_S):
            if watched.memory_info().rss > limit:
                return None
        answer: Fit | KvisionError | None = answers.recv()
        return answer
    return None


def _child(answers: Connection, job: Job, batch: int) -> None:
    """Tries a batch, and answers; memory that it can't have ends it, one way or the other."""
    tether.to(job.parent)
    quiet.install()
    limited = _bear_the_brunt()
    import tensorflow as tf

    try:
        answers.send(_measure(job, batch))
    except KvisionError as error:
        answers.send(None if isinstance(error.__cause__, tf.errors.ResourceExhaustedError) else error)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        answers.send(None)
    except (OSError, RuntimeError):  # such as a thread that can't be started
        if not limited:
            raise
        answers.send(None)


def _bear_the_brunt() -> bool:
    """Asks the kernel to end this process before any other; whether its address space is limited, of which it then leaves a tenth to the training."""
    import resource

    with contextlib.suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return False
    resource.setrlimit(resource.RLIMIT_AS, (soft * 9 // 10, hard))
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # libraries that get no memory say so at length
    return True


def _measure(job: Job, batch: int) -> Fit | None:
    """Takes some steps of about so many examples, and evaluates a batch; none: there are not so many."""
    import resource

    from kvision.engine import strategy
    from kvision.engine.loop import Loop
    from kvision.engine.session import open_session

    base = resolving.from_json(job.resolved, job.sections)
    unit = strategy.make(job.devices).num_replicas_in_sync * base.recipe.optim.accumulate
    batch = max(unit, batch // unit * unit)
    data = job.source(base.recipe.data, seed=base.recipe.train.seed, base=base.base)
    if batch > len(data.split("train")):
        return None
    fixed = base.with_auto({"data.batch": Chosen("", batch)})
    opened = open_session(fixed, job.system, job.source, devices=job.devices, precision_name=job.precision, begin=False)
    loop = Loop(opened)
    loop.train(1)
    began = time.perf_counter()
    loop.train(1 + TIMED_STEPS)
    took_s = time.perf_counter() - began
    loop.evaluate(stop=lambda: True)
    return Fit(batch, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, TIMED_STEPS * batch / took_s)
