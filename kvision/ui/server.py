"""`kvision ui` while it runs: a port, a browser, and an orderly end."""

from __future__ import annotations

import contextlib
import importlib
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import uvicorn

_LAST_WORDS_S = 2
"""Requests under way may take so long when the server is ended."""


def require() -> None:
    """Says which library of the extra is missing, if any is."""
    for name in ("starlette", "uvicorn"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            raise UsageError(f"the page needs {name}, which is not installed: pip install 'kvision[ui]'") from None


def listen(host: str, port: int) -> socket.socket:
    """Takes the port.

    Args:
        host: Address to listen at.
        port: TCP port; 0: any that is free.

    Returns:
        The socket, which listens.

    Raises:
        UsageError: If it can't be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise UsageError(f"can't listen at {host}:{port}: {error}; choose another --port, or 0 for any that is free") from error


def url(listening: socket.socket) -> str:
    """What a browser on this machine opens."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return f"http://{shown}:{port}/"


def server(root: Path, host: str) -> uvicorn.Server:
    """The server, not begun.

    Args:
        root: The folder with the runs.
        host: The address that is listened at.

    Returns:
        A server whose `run` takes the sockets.
    """
    import uvicorn

    from kvision.ui.app import application

    config = uvicorn.Config(
        application(root, host),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    return uvicorn.Server(config)


def run(root: Path, listening: socket.socket, host: str, *, browser: bool) -> None:
    """Serves until Ctrl-C.

    Args:
        root: The folder with the runs.
        listening: From `listen`.
        host: The address that is listened at.
        browser: Whether to open one.
    """
    made = server(root, host)
    if browser:
        threading.Thread(target=webbrowser.open, args=(url(listening),), daemon=True).start()  # the socket listens already
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended in order
        made.run([listening])
