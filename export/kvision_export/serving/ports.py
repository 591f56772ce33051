"""The TCP ports that a server is started on: any that is free where none is given, and refused where somebody else has it."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from typing import TYPE_CHECKING

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from kvision_export.serving.launch import Options


def given(options: Options) -> Options:
    """The same options with free ports in place of 0: TensorFlow Serving does not tell which ones it would take."""
    with contextlib.ExitStack() as held:
        found = {}
        for name in ("rest_port", "grpc_port"):
            if getattr(options, name) == 0:
                probe = held.enter_context(_socket(options.host))
                probe.bind((options.host, 0))
                found[name] = probe.getsockname()[1]
    return dataclasses.replace(options, **found)


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)


def require(options: Options) -> None:
    """Finds out whether the ports are free.

    Args:
        options: Host and ports.

    Raises:
        UsageError: If one is not; names it.
    """
    if options.rest_port == options.grpc_port:
        raise UsageError(f"--rest-port {options.rest_port}: is --grpc-port, too; give two ports")
    for option, port in (("--rest-port", options.rest_port), ("--grpc-port", options.grpc_port)):
        with _socket(options.host) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((options.host, port))
            except OSError as error:
                why = error.strerror or str(error)
                raise UsageError(
                    f"{option} {port}: can't listen at {options.host}:{port} ({why}); stop what does, or give another {option}"
                ) from error
