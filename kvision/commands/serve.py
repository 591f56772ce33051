"""`kvision serve`: bundles behind the REST and gRPC of TensorFlow Serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(
    bundles: Sequence[str],
    *,
    rest_port: int = 8501,
    grpc_port: int = 8500,
    host: str = "127.0.0.1",
    engine: str = "auto",
    max_batch: int = 16,
    batch_timeout_ms: float = 1.0,
    image: str = "tensorflow/serving",
) -> None:
    """Serves the SavedModels of bundles until Ctrl-C.

    Args:
        bundles: Bundles, folders `NAME/<version>/`, or one models.config.
        rest_port: TCP port of REST.
        grpc_port: TCP port of gRPC.
        host: Address to listen at; `0.0.0.0`: all.
        engine: `auto`, `embedded`, `tensorflow_model_server` or `docker`.
        max_batch: Most images that are computed at a time; 1: each request by itself. Up to 16 are warmed up by the export.
        batch_timeout_ms: How long a request waits for others to be computed with.
        image: The docker image, which is never fetched.

    Raises:
        UsageError: If there is nothing to serve, a port is in use, or the engine is not there.
        RunError: If the server does not start, or ends by itself.
    """
    from kvision_export.serving import launch, offered
    from kvision_export.serving.server.config import Batching

    offer = offered.find(bundles)
    batching = Batching(max_batch_size=max_batch, batch_timeout_micros=round(batch_timeout_ms * 1000))
    options = launch.Options(rest_port=rest_port, grpc_port=grpc_port, host=host, batching=batching, image=image)
    launch.serve(offer, launch.choose(engine, image), options)
