"""Servers for tests, each on free ports of its own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kvision_export.serving import launch, offered, ports

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Ports:
    """Where a server listens, on 127.0.0.1."""

    rest: int
    grpc: int


def on_free_ports() -> launch.Options:
    """How to serve at ports that nothing listens at."""
    return ports.given(launch.Options(rest_port=0, grpc_port=0))


@contextlib.contextmanager
def running(engine: str, given: Path) -> Iterator[Ports]:
    """The models of a models.config or a folder, served by `embedded` or `tensorflow_model_server`; skips where that is not installed."""
    if engine == launch.BINARY and not shutil.which(launch.BINARY):
        pytest.skip(f"{launch.BINARY} is not on PATH: it comes with TensorFlow Serving alone, not from PyPI")
    offer, options = offered.find([given]), on_free_ports()
    with tempfile.TemporaryDirectory() as folder:
        started = launch.embedded(offer, options) if engine == "embedded" else launch.child("tensorflow_model_server", Path(folder), offer, options)
        with started:
            yield Ports(options.rest_port, options.grpc_port)
