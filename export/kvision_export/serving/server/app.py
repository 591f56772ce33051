"""The server: models, threads and ports, put together and taken apart again."""

from __future__ import annotations

import importlib
import math
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from kvision.core.errors import RunError, UsageError
from kvision_export.serving.server.config import ModelSource, Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    import uvicorn

__all__ = ["ModelSource", "Options", "Server"]


class Server:
    """Serves SavedModels over REST and gRPC, for development.

    Attributes:
        rest_port: Of REST, once started.
        grpc_port: Of gRPC, once started.
    """

    def __init__(self, models: Sequence[ModelSource], rest_port: int = 0, grpc_port: int = 0, options: Options | None = None) -> None:
        """Loads and opens nothing yet.

        Args:
            models: What to serve.
            rest_port: For REST; 0 for any that is free.
            grpc_port: For gRPC; 0 for any that is free.
            options: Limits and batching.

        Raises:
            UsageError: If the libraries of `kvision[serve]` are not installed, or two models have one name.
        """
        _require()
        names = [model.name for model in models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"two models are named {', '.join(twice)}; give each a name of its own")
        self.rest_port, self.grpc_port = rest_port, grpc_port
        self._options = options or Options()
        self._models = list(models)
        self._stopped = threading.Event()

    def start(self) -> Server:
        """Loads the models, then opens the ports.

        Returns:
            This server, which answers.

        Raises:
            RunError: If a model can't be served, or a port can't be had; nothing is left behind.
        """
        from kvision_export.serving.server import rest, rpc
        from kvision_export.serving.server.batching import Batcher
        from kvision_export.serving.server.metrics import Metrics
        from kvision_export.serving.server.service import Service
        from kvision_export.serving.server.versions import Versions

        options = self._options
        self._batcher = Batcher(options.batching.num_batch_threads)
        self._versions = Versions(self._models, options)
        self._pools = [ThreadPoolExecutor(options.handler_threads, name) for name in ("rest", "grpc")]
        self._rest: uvicorn.Server | None = None
        self._rpc: grpc.Server | None = None
        service = Service(self._versions, self._batcher, Metrics(), options)
        try:
            self._versions.start()
            if not self._versions.ready():
                raise RunError(f"no version can be served of {self._versions.failures()}")
            self._rpc = rpc.server(service, self._pools[1])
            self.grpc_port = _bind(self._rpc, options.host, self.grpc_port)
            self._open_rest(rest.application(service, self._pools[0]))
            self._rpc.start()
        except BaseException:
            self.stop(0)
            raise
        return self

    def _open_rest(self, application: object) -> None:
        import uvicorn

        try:
            listening = socket.create_server((self._options.host, self.rest_port), backlog=1024)
        except OSError as error:
            raise RunError(f"REST can't listen at {self._options.host}:{self.rest_port}: {error}; choose another port, or 0 for any") from None
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so only for sockets it made; else answers wait 40 ms
        self.rest_port = listening.getsockname()[1]
        config = uvicorn.Config(
            application,  # type: ignore[arg-type]
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,  # longer than clients keep idle connections, so that none is closed under a new request
        )
        self._rest = uvicorn.Server(config)
        self._rest_thread = threading.Thread(target=self._rest.run, args=([listening],), name="rest-loop", daemon=True)
        self._rest_thread.start()
        while not self._rest.started and self._rest_thread.is_alive():
            time.sleep(0.005)
        if not self._rest.started:
            raise RunError("the REST server ended as it started; see its log (logger uvicorn.error)")

    def stop(self, drain_s: float = 10.0) -> None:
        """Takes no new requests, finishes those under way, unloads the models.

        Args:
            drain_s: How long it may take; what is not done by then is dropped.
        """
        closing = self._rpc.stop(drain_s) if self._rpc is not None else None
        if self._rest is not None:
            self._rest.config.timeout_graceful_shutdown = math.ceil(drain_s)
            self._rest.should_exit = True
            self._rest_thread.join(drain_s + 5)
        if closing is not None:
            closing.wait(drain_s + 5)
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        self._batcher.close(0.5)  # what is still computed, nobody waits for; closing its session ends it
        self._versions.stop(0.5)
        self._stopped.set()

    def wait(self, drain_s: float = 10.0) -> None:
        """Serves until SIGTERM or SIGINT, or until another thread calls `stop`; then drains.

        Args:
            drain_s: How long finishing the requests under way may take.
        """
        asked = threading.Event()
        previous = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                previous[number] = signal.signal(number, lambda *_: asked.set())
        try:
            while not (asked.is_set() or self._stopped.is_set()):
                asked.wait(0.2)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if not self._stopped.is_set():
            self.stop(drain_s)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if not self._stopped.is_set():
            self.stop()


def _bind(server: grpc.Server, host: str, port: int) -> int:
    try:
        return int(server.add_insecure_port(f"{host}:{port}"))
    except RuntimeError as error:
        raise RunError(f"gRPC can't listen at {host}:{port}: {error}; choose another port, or 0 for any") from None


def _require() -> None:
    """Says which library of the extra is missing, if any is."""
    for name in ("grpc", "prometheus_client", "starlette", "tensorflow_serving", "uvicorn"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            raise UsageError(f"the embedded server needs {name}, which is not installed: pip install 'kvision[serve]'") from None
