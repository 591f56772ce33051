"""A model behind the REST API of TensorFlow Serving."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3 import exceptions

from kvision_export.serving.retrying import Again, ClientError, RefusedError
from kvision_export.serving.signature import BYTES
from kvision_export.serving.transport import late

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision_export.serving.address import Address
    from kvision_export.serving.signature import Served

_AGAIN = (429, 503)
_REFUSED = (400, 413)


class Rest:
    """One server and model; keeps its connections.

    Args:
        address: With the scheme `http` or `https`.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._pool = urllib3.PoolManager(retries=False)

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def status(self, left_s: float) -> dict[str, Any]:
        """As `Transport.status`."""
        return self._send("GET", "", None, left_s)

    def metadata(self, left_s: float) -> dict[str, Any]:
        """As `Transport.metadata`."""
        return self._send("GET", "/metadata", None, left_s)

    def predict(self, served: Served, images: Sequence[bytes], left_s: float) -> list[dict[str, Any]]:
        """As `Transport.predict`."""
        rows = [{"b64": base64.b64encode(image).decode("ascii")} for image in images]
        answer = self._send("POST", ":predict", {"signature_name": served.name, "instances": rows}, left_s)
        predictions = answer.get("predictions")
        if not isinstance(predictions, list) or len(predictions) != len(images):
            raise ClientError(f"{self._address}: {len(images)} images were sent, and the answer has no `predictions` for as many")
        if len(served.outputs) == 1:  # A single output comes without its name.
            predictions = [{next(iter(served.outputs)): value} for value in predictions]
        return [{name: _value(served, name, value) for name, value in row.items()} for row in predictions]

    def _send(self, method: str, what: str, body: Any, left_s: float) -> dict[str, Any]:
        address = self._address
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{address.scheme}://{address.server}{address.path}{what}"
        try:
            response = self._pool.request(method, url, body=data, headers=headers, timeout=urllib3.Timeout(total=left_s))
        except exceptions.ReadTimeoutError as error:
            raise late(address) from error
        except exceptions.HTTPError as error:  # refused, not found by name, or broken
            raise Again(f"{address}: {_reason(error)}; is the server running, and is this its REST port?") from error
        return _answer(address, response)


def _answer(address: Address, response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        values = json.loads(response.data)
    except ValueError:
        values = None
    if response.status == 200 and isinstance(values, dict):
        return values
    said = values.get("error") if isinstance(values, dict) else None
    message = f"{address}: status {response.status}: {said or response.data[:200].decode('utf-8', 'replace') or response.reason}"
    if response.status in _AGAIN:
        after = response.headers.get("Retry-After", "")
        raise Again(message, float(after) if after.isdigit() else None)
    if response.status in _REFUSED:
        raise RefusedError(message)
    raise ClientError(message)


def _value(served: Served, name: str, value: Any) -> Any:
    return decoded(value) if name.endswith(BYTES) else served.array(name, value)


def decoded(value: Any) -> Any:
    """Bytes from `{"b64": ...}`, or lists of them."""
    if isinstance(value, list):
        return [decoded(each) for each in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    said = cause.strerror or str(cause) if isinstance(cause, OSError) else str(error.args[-1] if error.args else error)
    return said if said.isprintable() else "its answer is no HTTP"
