"""REST: paths, methods and bodies as TF Serving takes them (http_rest_api_handler.cc, http_rest_api_util.cc, http_server.cc)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from kvision_export.serving.server import json_request, json_response, openapi
from kvision_export.serving.server.config import METRICS
from kvision_export.serving.server.rest_proto import metadata_json, status_json
from kvision_export.serving.server.service import check_deadline
from kvision_export.serving.server.spec import Spec
from kvision_export.serving.server.status import Code, StatusError, invalid

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from starlette.types import Receive, Scope, Send

    from kvision_export.serving.server.service import Service

_ACCESS = logging.getLogger("kvision.serving.access")
_MODEL = r"(?:/versions/(\d+)|/labels/([^/:]+))?"
_POST = re.compile(rf"/v1/models/([^/:]+){_MODEL}:(classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(rf"/v1/models(?:/([^/:]+))?{_MODEL}(?:/(metadata))?", re.IGNORECASE)


@dataclass(frozen=True)
class _Call:
    """What a path and a method ask for: `predict`, `classify`, `regress`, `status` or `metadata` of a model."""

    what: str
    spec: Spec


def application(service: Service, threads: Executor) -> Starlette:
    """The ASGI application.

    Args:
        service: What it can do.
        threads: Read and answer the requests.

    Returns:
        An application with the API, `/healthz` (it runs), `/readyz` (every model serves), the metrics and `/openapi.json`.
    """

    async def healthy(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        is_ready = service.versions.ready()
        return JSONResponse({"status": "ok" if is_ready else "loading"}, 200 if is_ready else 503)

    async def prometheus(_: Request) -> Response:
        return PlainTextResponse(service.metrics.page())

    async def described(_: Request) -> Response:
        return JSONResponse(openapi.document(service))

    plain = {"/healthz": healthy, "/readyz": ready, METRICS: prometheus, openapi.PATH: described}
    routes = [*(Route(path, endpoint) for path, endpoint in plain.items()), Mount("/", app=_Api(service, threads))]
    return Starlette(routes=routes)


class _Api:
    """Everything under `/v1/`."""

    def __init__(self, service: Service, threads: Executor) -> None:
        self._service, self._threads = service, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        start = time.monotonic()
        request = Request(scope, receive)
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        deadline = start + self._service.options.timeout_s
        try:
            code, text = await self._answer(request, path, deadline)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the time for draining is over
            code, text = 503, json_response.error("The server is stopping")
        response = Response(text.encode("utf-8", "surrogateescape"), code, {"content-type": "application/json"})
        await response(scope, receive, send)
        if self._service.options.access_log:
            client = scope["client"][0] if scope.get("client") else "-"
            _ACCESS.info('%s "%s %s" %d %.1f ms', client, request.method, path, code, 1000 * (time.monotonic() - start))

    async def _answer(self, request: Request, path: str, deadline: float) -> tuple[int, str]:
        if not path.lower().startswith("/v1/"):
            return 404, json_response.error(f"Not Found: {path}; the API is under /v1/models")
        try:
            body = await _body(request, self._service.options.max_body_bytes, deadline)
        except _TooLargeError as error:
            return 413, json_response.error(str(error))
        except StatusError as error:
            return error.code.http, json_response.error(error.message)
        if request.method == "OPTIONS" and re.search("https?://", request.headers.get("origin", "")):
            return 200, ""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._process, request.method, path, body, deadline)

    def _process(self, method: str, path: str, body: bytes, deadline: float) -> tuple[int, str]:
        """Answers in a thread."""
        try:
            call = _parse(method, path)
            with self._service.counted(call.spec.name, call.what, "REST"):
                check_deadline(deadline)
                return 200, self._do(call, body, deadline)
        except StatusError as error:
            return error.code.http, json_response.error(error.message)

    def _do(self, call: _Call, body: bytes, deadline: float) -> str:
        service = self._service
        if call.what == "predict":
            request, outputs = service.predict_rows(call.spec, lambda dtypes_of: json_request.predict(body, dtypes_of), deadline)
            return json_response.predictions(outputs, request.layout)
        if call.what in ("classify", "regress"):
            message = _examples(call, body)
            if call.what == "classify":
                return json_response.classes(service.classify(message, deadline).result)
            return json_response.values(service.regress(message, deadline).result)
        if not call.spec.name:
            raise invalid("Missing model name in request.")
        return status_json(service, call.spec) if call.what == "status" else metadata_json(service, call.spec)


def _parse(method: str, path: str) -> _Call:
    """What a request line asks for.

    Args:
        method: `GET`, `POST` ...
        path: As it was sent, with the query.

    Returns:
        What and of which model.

    Raises:
        StatusError: If it is none that TF Serving knows; other letter cases of the method are none.
    """
    match = {"POST": _POST, "GET": _GET}[method].fullmatch(path) if method in ("POST", "GET") else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    name, version, label, last = match.groups()
    if version is not None and int(version) >= 2**63:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    if method == "POST" and not last.islower():
        raise invalid(f"Malformed request: {method} {path}")
    what = last if method == "POST" else "metadata" if last == "metadata" else "status"
    return _Call(what, Spec(unquote(name or ""), None if version is None else int(version), None if label is None else unquote(label)))


def _examples(call: _Call, body: bytes) -> Any:
    """A `ClassificationRequest` or `RegressionRequest` from a body."""
    from tensorflow_serving.apis import classification_pb2, regression_pb2

    request = classification_pb2.ClassificationRequest() if call.what == "classify" else regression_pb2.RegressionRequest()
    call.spec.fill(request.model_spec)
    request.model_spec.signature_name, examples, context = json_request.examples(body)
    if context is None:
        request.input.example_list.examples.extend(examples)
    else:
        request.input.example_list_with_context.context.CopyFrom(context)
        request.input.example_list_with_context.examples.extend(examples)
    return request


class _TooLargeError(Exception):
    """A body over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request body is larger than the limit of {limit} bytes; send fewer rows, or raise the limit")


async def _body(request: Request, limit: int, deadline: float) -> bytes:
    """The body, unpacked if it is gzipped; one over the limit is read to its end, without keeping it, so that the client hears why.

    Args:
        request: Of which nothing was read.
        limit: In bytes.
        deadline: On the monotonic clock.

    Returns:
        The bytes.

    Raises:
        _TooLargeError: If there are more.
        StatusError: If they did not come in time, or are not gzip.
    """
    chunks, size = [], 0
    try:
        async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                else:
                    chunks.clear()
    except TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, "The request's body did not come in time") from None
    if size > limit:
        raise _TooLargeError(limit)
    body = b"".join(chunks)
    if request.headers.get("content-encoding", "") != "gzip":
        return body
    try:
        body = zlib.decompressobj(31).decompress(body, limit + 1)
    except zlib.error:
        raise invalid("The request's body is not gzip, as its Content-Encoding says") from None
    if len(body) > limit:
        raise _TooLargeError(limit)
    return body
