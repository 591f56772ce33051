"""The application: which address shows which page, and what is said when something can't be shown."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kvision.core.errors import KvisionError, RunError
from kvision.report import alive
from kvision.ui import answer, exports, live, pages
from kvision.ui.guard import REPORT_POLICY, Guard
from kvision.ui.library import Library
from kvision_edge.errors import EdgeError, PictureError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp


def application(root: Path, host: str = "127.0.0.1") -> ASGIApp:
    """The pages over a folder.

    Args:
        root: The folder with the runs.
        host: The address that will be listened at; says which names of this machine are answered to.

    Returns:
        An ASGI application, guarded.
    """
    pages_ = _Pages(Library(root))
    routes = [
        Route("/", pages_.runs),
        Route("/run/{name:path}", pages_.run),
        Route("/compare", pages_.compare),
        Route("/try", pages_.try_it),
        Route("/answer", pages_.answer, methods=["POST"]),
        Route("/curves/{name:path}", pages_.curves),
        Route("/picture/{name:path}", pages_.picture),
        Route("/sample/{name:path}", pages_.sample),
        Route("/report/{name:path}", pages_.report),
        Route("/static/report.css", pages_.style),
        Mount("/static", StaticFiles(packages=[("kvision.ui", "static")])),
    ]
    handlers: dict[Any, Any] = {HTTPException: pages_.unknown, KvisionError: pages_.refused, EdgeError: pages_.refused, Exception: pages_.broken}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), host)


class _Pages:
    """What answers at each address."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._templates = pages.environment()
        self._style = resources.files("kvision.report").joinpath("templates/style.css").read_text("utf-8")
        self._one = anyio.CapacityLimiter(1)

    def runs(self, request: Request) -> Response:
        return self._page("runs", **pages.runs(self._library.look(), request.query_params))

    def run(self, request: Request) -> Response:
        chosen = self._library.run(request.path_params["name"])
        seen = request.query_params.get("stage")
        if seen not in (None, pages.stage(chosen)):
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Refresh": "true"})
        return self._page("run", **pages.run(self._library, self._library.look(), chosen, request.query_params.get("other", "")))

    def compare(self, request: Request) -> Response:
        return self._page("compared", **pages.compared(self._library.look(), request.query_params.getlist("run")))

    def try_it(self, request: Request) -> Response:
        bundles = [exports.read(name, folder) for name, folder in self._library.look().bundles.items()]
        return self._page("try", bundles=bundles, chosen=request.query_params.get("bundle", ""), most=answer.MOST_BYTES, pixels=answer.MOST_PIXELS)

    async def answer(self, request: Request) -> Response:
        folder = await anyio.to_thread.run_sync(self._bundle, request.query_params.get("bundle", ""))
        content = await _body(request)
        found = await anyio.to_thread.run_sync(
            answer.answer, folder, request.query_params.get("format", ""), content, limiter=self._one
        )  # one at a time: each may unpack into much memory
        return self._page("answer", answer=found)

    def curves(self, request: Request) -> Response:
        run, query = self._library.run(request.path_params["name"]), request.query_params
        epochs, steps = live.epochs(run.facts.path, query.get("epochs", "")), live.steps(run.facts.path, query.get("steps", ""))
        told = {"epochs": epochs, "steps": steps, "running": run.status == alive.RUNNING}
        return JSONResponse(told | ({"panels": pages.panels(run.facts)} if epochs["fresh"] else {}))

    def picture(self, request: Request) -> Response:
        run = self._library.run(request.path_params["name"])
        found = self._library.picture(run, request.query_params.get("file", ""))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return FileResponse(found)

    def sample(self, request: Request) -> Response:
        return self._file(self._bundle(request.path_params["name"]) / exports.SAMPLE)

    def report(self, request: Request) -> Response:
        name, found = request.path_params["name"], self._library.look()
        folder = found.bundles.get(name) or self._library.run(name).facts.path
        return self._file(folder / exports.REPORT, {"content-security-policy": REPORT_POLICY})

    def style(self, request: Request) -> Response:
        del request
        return Response(self._style, media_type="text/css")

    def unknown(self, request: Request, error: Exception) -> Response:
        """An address or a method that there is not; of a method, what the address knows stays in the header `Allow`."""
        status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        told = self._trouble(request, f"{request.method} {request.url.path}: {status.phrase.lower()}; the list of runs leads to every page", status)
        told.headers.update(getattr(error, "headers", None) or {})
        return told

    def refused(self, request: Request, error: Exception) -> Response:
        """What the user can mend."""
        status = HTTPStatus.NOT_FOUND if isinstance(error, RunError) else HTTPStatus.BAD_REQUEST
        return self._trouble(request, str(error), status)

    def broken(self, request: Request, error: Exception) -> Response:
        """What nobody foresaw; the terminal has the traceback."""
        what = f"{type(error).__name__}: {error}; the terminal of `kvision ui` has the details"
        return self._trouble(request, what, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _trouble(self, request: Request, message: str, status: HTTPStatus) -> Response:
        if request.url.path == "/answer":  # stands inside the page that asked
            return PlainTextResponse(message, status)
        return self._page("trouble", status, message=message)

    def _page(self, template: str, status: HTTPStatus = HTTPStatus.OK, **shown: Any) -> Response:
        text = self._templates.get_template(f"{template}.html.j2").render(here=template, root=str(self._library.root), **shown)
        return HTMLResponse(text, status)

    def _bundle(self, name: str) -> Path:
        bundles = self._library.look().bundles
        if name not in bundles:
            raise RunError(f"{name or 'no bundle'}: there is no such bundle here; the page of pictures lists those that are")
        return bundles[name]

    def _file(self, path: Path, headers: dict[str, str] | None = None) -> Response:
        if not path.is_file() or self._library.root not in path.resolve().parents:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return FileResponse(path, headers=headers)


async def _body(request: Request) -> bytes:
    """The picture file that was sent, and no more than is accepted."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > answer.MOST_BYTES:
            raise PictureError(f"the file has more than {answer.MOST_BYTES >> 20} MiB, which is the most that is read; shrink the picture first")
        chunks.append(chunk)
    if not size:
        raise UsageError("no file came; choose a picture, or drop one into the box")
    return b"".join(chunks)
