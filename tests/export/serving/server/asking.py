"""How the tests ask a server, and wait for what it does by itself."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

from kvision_export.serving.server.app import Server


@dataclass
class Site:
    """A server and a way to ask it."""

    server: Server

    def ask(self, method: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.rest_port, timeout=20)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def predict(self, body: str, path: str = "/v1/models/half:predict") -> tuple[int, str]:
        return self.ask("POST", path, body)


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns once something is so."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "did not happen in 15 s"
        time.sleep(0.01)
