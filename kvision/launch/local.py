"""Workers as processes of this machine, which end together.

Each has a session of its own, so that Ctrl-C reaches the launcher alone, which passes it on once; and each is tied to the launcher, so that none
is left over.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

CAUGHT = (signal.SIGINT, signal.SIGTERM)
TOGETHER = (3, *(128 + number for number in CAUGHT))
"""Exit codes with which all workers end: diverged, and stopped by a signal with all saved."""
TOGETHER_S = 120.0
"""How long the others may take to end after one of them ended so: the chief writes a report."""
GRACE_S = 5.0
"""How long they may take after one of them was lost, before they are killed."""
POLL_S = 0.1


class Worker:
    """A running `kvision train`; the chief writes where this process writes, the others by lines on the standard error that say who speaks.

    Args:
        index: Which worker it is.
        command: Words of its command line, the program's path first.
    """

    def __init__(self, index: int, command: Sequence[str]) -> None:
        self.index = index
        output = None if index == 0 else subprocess.PIPE
        tether = [sys.executable, "-m", "kvision.core.tether", str(os.getpid())]
        self._process = subprocess.Popen(
            [*tether, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output and subprocess.STDOUT, start_new_session=True
        )
        self._relay = threading.Thread(target=self._pass_on, daemon=True)
        self._relay.start()

    @property
    def code(self) -> int | None:
        """Its exit code, below 0 for a signal; none while it runs."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Sends it a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it ended within so many seconds; what it said is passed on by then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._relay.join(1.0)
        return True

    def __str__(self) -> str:
        code = self.code
        how = "runs" if code is None else f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"worker {self.index} (process {self._process.pid}) {how}"

    def _pass_on(self) -> None:
        for line in self._process.stdout or ():
            sys.stderr.write(f"worker {self.index}: {line.decode(errors='replace')}")
            sys.stderr.flush()


def run(command: Sequence[str], count: int) -> int:
    """Runs a training by several processes until all of them have ended.

    Args:
        command: Words of `kvision train ...`, the program's path first, without `--workers`.
        count: How many.

    Returns:
        The exit code: 0 if all went well, else that of the worker that ended first.
    """
    addresses = ",".join(free_addresses(count))
    workers: list[Worker] = []
    with _signals_passed_on(workers):
        workers.extend(Worker(index, [*command, "--workers", addresses, "--worker", str(index)]) for index in range(count))
        first = _first_to_fail(workers)
        if first is not None:
            _end_the_others(first, [worker for worker in workers if worker is not first])
        for worker in workers:
            worker.wait()
    code = (first.code or 0) if first is not None else 0
    return 128 - code if code < 0 else code


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine's loopback whose ports nobody uses now, each another."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def _first_to_fail(workers: Sequence[Worker]) -> Worker | None:
    """Waits until one fails, or all have ended well; of several that fail at once the one that was killed."""
    while True:
        ended = [worker for worker in workers if worker.code is not None]
        failed = sorted((worker for worker in ended if worker.code), key=lambda worker: worker.code or 0)
        if failed or len(ended) == len(workers):
            return failed[0] if failed else None
        time.sleep(POLL_S)


def _end_the_others(first: Worker, others: Sequence[Worker]) -> None:
    """Waits for those that end by themselves, and ends those that can't."""
    together = first.code in TOGETHER
    if not together:
        print(f"error: {first}; the others can't go on without it and are ended", file=sys.stderr)
        for worker in others:
            worker.send(signal.SIGTERM)
    end = time.monotonic() + (TOGETHER_S if together else GRACE_S)
    for worker in others:
        if not worker.wait(max(0.0, end - time.monotonic())):
            worker.send(signal.SIGKILL)


@contextlib.contextmanager
def _signals_passed_on(workers: Sequence[Worker]) -> Iterator[None]:
    """While the block runs, SIGINT and SIGTERM go on to the workers, which save and end; once more ends them at once."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        for worker in workers:
            worker.send(number)

    before = {number: signal.signal(number, pass_on) for number in CAUGHT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def command_line(train: Sequence[str], count: int) -> str:
    """What a user types to go on with a launched training."""
    resume = [] if "--resume" in train else ["--resume"]
    return shlex.join(["kvision", "launch", "--workers", str(count), *train, *resume])
