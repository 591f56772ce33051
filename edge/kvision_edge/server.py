"""`kvision-edge serve`: a small HTTP endpoint on this machine alone, for a program beside it that is not in Python. Standard library only."""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Dict, Mapping

import numpy as np

from kvision_edge import pictures
from kvision_edge.errors import EdgeError, PictureError, UsageError

if TYPE_CHECKING:
    from kvision_edge.model import Model

HOST = "127.0.0.1"
MOST_BYTES = 64 << 20
"""Largest request that is read."""
_OURS = ("127.0.0.1", "localhost")
_TIMEOUT_S = 30


class Server(ThreadingHTTPServer):
    """Serves one model.

    `GET /` tells what the model is; `POST /predict` takes a picture file as the body (or a JSON object of arrays, where the network takes no
    pictures) and gives the answer as JSON; `POST /mask`, `POST /overlay`: the answer's picture of that name, as PNG. Errors are
    `{"error": "..."}`.

    Args:
        model: The model; requests take turns at it.
        port: Of the loopback interface; 0: any free one.

    Raises:
        UsageError: If it can't listen at that port.
    """

    daemon_threads = True

    def __init__(self, model: Model, port: int = 0) -> None:
        self.model = model
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:  # in use, not allowed, or no port at all
            reason = error.strerror if isinstance(error, OSError) else "accepted are 0 to 65535"
            raise UsageError(f"port {port}: can't listen at {HOST}:{port} ({reason}); give another --port, or 0 for any that is free") from error

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "kvision-edge"
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        manifest, file = self.server.model.manifest, self.server.model.file
        if self._refused():
            return
        if self.path != "/":
            self._error(HTTPStatus.NOT_FOUND, f"GET {self.path}: there is GET /, POST /predict, /mask and /overlay")
            return
        facts = {"name": manifest.name, "task": manifest.task, "labels": manifest.labels, "format": file.format, "metrics": file.metrics}
        self._json(HTTPStatus.OK, facts)

    def do_POST(self) -> None:
        if self._refused():
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or not 0 < int(length) <= MOST_BYTES:
            self.close_connection = True  # the body is left unread
            self._error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Content-Length {length or 'missing'}: 1 to {MOST_BYTES} bytes are accepted")
            return
        try:
            self._answer(self.rfile.read(int(length)))
        except (PictureError, UsageError) as error:
            self._error(HTTPStatus.BAD_REQUEST, str(error))
        except EdgeError as error:
            self._error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _answer(self, body: bytes) -> None:
        model = self.server.model
        given = body if model.manifest.preprocess is not None else _arrays(body)
        image = pictures.rgb(given) if isinstance(given, bytes) else None
        answer = model.predict(given if image is None else image)
        if self.path == "/predict":
            self._json(HTTPStatus.OK, answer.to_json())
            return
        drawn = {} if image is None else answer.pictures(image)
        if self.path[1:] not in drawn:
            self._error(HTTPStatus.NOT_FOUND, f"POST {self.path}: there is POST {', '.join(['/predict', *(f'/{name}' for name in drawn)])}")
            return
        png = io.BytesIO()
        drawn[self.path[1:]].save(png, "PNG")
        self._send(HTTPStatus.OK, "image/png", png.getvalue())

    def _refused(self) -> bool:
        """A page in a browser must not reach the model by a name that leads here."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host in _OURS:
            return False
        self.close_connection = True
        self._error(HTTPStatus.FORBIDDEN, f"Host {host or 'missing'}: only {' and '.join(_OURS)} are served")
        return True

    def _error(self, status: HTTPStatus, message: str) -> None:
        self._json(status, {"error": message})

    def _json(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Says nothing: a device's log is small."""


def _arrays(body: bytes) -> Dict[str, Any]:
    """Inputs by name from JSON; whole numbers and floats alike become what the file takes."""
    try:
        values = json.loads(body)
        return {str(name): np.asarray(value, np.float32) for name, value in values.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UsageError(f"the body is no JSON object of arrays by name ({error})") from error
