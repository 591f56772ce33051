"""The input pipeline on other processes or machines, by tf.data service, with nothing lost and nothing twice.

tf.data service itself gives every batch at most once, in any order, and loses those of a worker that dies. Here each batch says its number, and is a
pure function of it: so the trainer puts the batches in order, drops what comes twice, and computes itself what did not come in time. What the network
sees is therefore the same to the bit as without a service, with any number of workers, whatever becomes of them.

Reference: Audibert et al. 2023, tf.data service: a case for disaggregating ML input data processing, arXiv 2210.14826.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW = 32
"""So many later batches come before one is taken for lost."""
POSITION = "position"
"""The field that tells a batch's number while it travels."""
Batches = Any


def serve(port: int, workers: int, dispatcher: str | None, host: str) -> tuple[str, list[Any]]:
    """Starts a dispatcher and workers, or workers for a dispatcher elsewhere; they run as long as this process.

    Args:
        port: Of the dispatcher; 0: any that is free.
        workers: How many.
        dispatcher: `HOST:PORT` of one that runs already; none: one is started.
        host: By which name others reach this machine.

    Returns:
        The dispatcher's address, and the servers, which stop when nothing refers to them any more.

    Raises:
        UsageError: If the port is taken, or the dispatcher can't be reached.
    """
    service = tf.data.experimental.service
    servers: list[Any] = []
    try:
        if dispatcher is None:
            servers.append(service.DispatchServer(service.DispatcherConfig(port=port)))
            dispatcher = f"{host}:{servers[0].target.rpartition(':')[2]}"
        config = service.WorkerConfig(dispatcher_address=checked(dispatcher), worker_address=f"{host}:%port%")
        servers += [service.WorkerServer(config) for _ in range(workers)]
    except (tf.errors.OpError, RuntimeError) as error:
        where = f"--port {port}" if not servers else f"--dispatcher {dispatcher}"
        raise UsageError(f"{where}: can't be used ({str(error)[:200]}); choose a free port, and an address at which a dispatcher runs") from error
    return dispatcher, servers


def checked(address: str) -> str:
    """The address of a dispatcher, if it is one; else `UsageError`."""
    if re.fullmatch(r"[\w.\-\[\]:]+:\d{1,5}", address) is None:
        raise UsageError(f"--data-service: {address!r} is no address; give HOST:PORT, as `kvision data serve` prints it")
    return address


def ordered(address: str, first: int, size: int, make: Callable[[tf.data.Dataset], tf.data.Dataset]) -> tf.data.Dataset:
    """Batches that workers compute, in the order of their numbers.

    Args:
        address: The dispatcher's.
        first: Number of the first batch.
        size: Examples a batch.
        make: Batches of a dataset of the positions of examples, with these in the field `position`.

    Returns:
        Each batch once, without `position`, as `make` itself would give them.
    """

    def positions(numbers: tf.data.Dataset) -> tf.data.Dataset:
        return numbers.flat_map(lambda number: tf.data.Dataset.range(number * size, (number + 1) * size))

    def compute(number: int) -> Batches:
        return next(iter(make(positions(tf.data.Dataset.range(number, number + 1)))))

    there = make(positions(tf.data.Dataset.range(first, np.iinfo(np.int64).max // size)))
    spread = tf.data.experimental.service.distribute(tf.data.experimental.service.ShardingPolicy.DYNAMIC, f"grpc://{checked(address)}")
    spec = {name: one for name, one in there.element_spec.items() if name != POSITION}

    def batches() -> Iterator[Batches]:
        arriving = ((int(batch[POSITION][0]) // size, batch) for batch in there.apply(spread))
        for batch in in_order(arriving, first, compute):
            yield {name: batch[name] for name in spec}

    return tf.data.Dataset.from_generator(batches, output_signature=spec).prefetch(2)


def in_order(arriving: Iterator[tuple[int, Batches]], first: int, compute: Callable[[int], Batches]) -> Iterator[Batches]:
    """Numbered batches in their order.

    Args:
        arriving: `(number, batch)` in any order; some may come twice, some never.
        first: The first number.
        compute: Makes the batch of a number that did not come before `WINDOW` later ones.

    Yields:
        Each batch once, from `first` on.
    """
    waiting: dict[int, Batches] = {}
    at = first
    for number, batch in arriving:
        if number >= at:
            waiting.setdefault(number, batch)
        while at in waiting or len(waiting) > WINDOW:
            yield waiting.pop(at) if at in waiting else compute(at)
            at += 1
