"""`kvision data serve`: processes that prepare batches for trainings elsewhere."""

from __future__ import annotations

import signal
import threading

from kvision.core import words
from kvision.data import service


def run(*, port: int, workers: int, dispatcher: str | None, host: str) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
        port: Of the dispatcher; 0: any that is free.
        workers: How many to start here.
        dispatcher: `HOST:PORT` of one that runs already; none: one is started.
        host: By which name others reach this machine.

    Raises:
        UsageError: If the port is taken, or the dispatcher can't be reached.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    address, servers = service.serve(port, workers, dispatcher, host)
    print(f"serving data at {address} with {words.counted(workers, 'worker')}; train with: kvision train RECIPE --data-service {address}", flush=True)
    ended.wait()
    servers.clear()
