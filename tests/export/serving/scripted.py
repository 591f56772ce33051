"""A server that answers by script, so that a client meets what a real one seldom does."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BROKEN = 0
"""In place of a status: the connection is closed without an answer."""
Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass
class Script:
    """What the server does.

    Attributes:
        model: Makes the row of outputs for an image; raises ValueError to refuse its whole request.
        outputs: Dtypes of the outputs, as the metadata gives them.
        replies: Given to the first predictions instead of the model's.
        sizes: Images in each prediction so far.
        port: Where it listens.
    """

    model: Callable[[bytes], Any]
    outputs: dict[str, str]
    replies: list[Reply] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def metadata(self) -> dict[str, Any]:
        outputs = {name: {"dtype": dtype} for name, dtype in self.outputs.items()}
        signatures = {
            "serving_default": {"inputs": {"image": {"dtype": "DT_STRING"}}, "outputs": outputs},
            "predict_tensor": {"inputs": {"image": {"dtype": "DT_FLOAT"}}, "outputs": outputs},
            "__saved_model_init_op": {"inputs": {}, "outputs": {}},
        }
        return {"model_spec": {"name": "unet", "version": "3"}, "metadata": {"signature_def": {"signature_def": signatures}}}

    def predict(self, body: bytes) -> Reply:
        rows = json.loads(body)["instances"]
        self.sizes.append(len(rows))
        if self.replies:
            return self.replies.pop(0)
        try:
            return 200, {"predictions": [self.model(base64.b64decode(row["b64"])) for row in rows]}
        except ValueError as error:
            return 400, {"error": str(error)}


def segment(content: bytes) -> dict[str, Any]:
    """As a segmenter answers: `ok`, a mask, shares of the classes."""
    try:
        width, height = Image.open(io.BytesIO(content)).size
    except OSError:
        return {"ok": False, "mask_bytes": {"b64": ""}, "class_shares": [0.0, 0.0], "label": ""}
    held = io.BytesIO()
    Image.new("L", (width, height), 1).save(held, "PNG")
    return {"ok": True, "mask_bytes": {"b64": base64.b64encode(held.getvalue()).decode()}, "class_shares": [0.25, 0.75], "label": "Größe"}


OUTPUTS = {"ok": "DT_BOOL", "mask_bytes": "DT_STRING", "class_shares": "DT_FLOAT", "label": "DT_STRING"}


@contextlib.contextmanager
def running(script: Script) -> Iterator[Script]:
    """The scripted server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200, script.metadata() if self.path.endswith("/metadata") else {"model_version_status": [{"version": "3"}]})

        def do_POST(self) -> None:
            self.answer(*script.predict(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, status: int, values: Any, headers: dict[str, str] | None = None) -> None:
            if status == BROKEN:
                self.close_connection = True
                return
            body = values if isinstance(values, bytes) else json.dumps(values).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
