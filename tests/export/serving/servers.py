"""Servers for tests, each on free ports of its own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kvision_export.serving import launch, offered

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Ports:
    """Where a server listens, on 127.0.0.1."""

    rest: int
    grpc: int


def free_ports(count: int) -> list[int]:
    """TCP ports that nothing listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextlib.contextmanager
def running(engine: str, config: Path) -> Iterator[Ports]:
    """The models of a models.config, served by `embedded` or `tensorflow_model_server`; skips where that is not installed."""
    if engine == launch.BINARY and not shutil.which(launch.BINARY):
        pytest.skip(f"{launch.BINARY} is not on PATH: it comes with TensorFlow Serving alone, not from PyPI")
    rest, grpc = free_ports(2)
    offer, options = offered.find([config]), launch.Options(rest_port=rest, grpc_port=grpc)
    with tempfile.TemporaryDirectory() as folder:
        started = launch.embedded(offer, options) if engine == "embedded" else launch.child("tensorflow_model_server", Path(folder), offer, options)
        with started:
            yield Ports(rest, grpc)
