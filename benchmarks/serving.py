"""The embedded server under load: mixed good and bad requests, a new version while they come, clients that vanish, and the server's memory.

    python benchmarks/serving.py [--requests 1000] [--clients 16] [--out results/serving.json]

Every answer is compared with what its own request must get, so that a lost or a swapped answer is counted. The server runs in a process of its own
through `kvision serve`; its memory is compared after the first and after the second round of requests.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "export"), str(ROOT / "edge")]

from tests.export.serving import models, servers  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = 10
LARGEST_BYTES = 40_000


@dataclass(frozen=True)
class Request:
    """A request, and the only answers that are right for it."""

    path: str
    body: str | None
    status: int
    answers: tuple[Any, ...]


def request(number: int) -> Request:
    """The request of that number: six in ten are good."""
    value = float(number % 1000)
    noise = base64.b64encode(random.Random(number).randbytes(number * 7919 % LARGEST_BYTES)).decode()
    half, pair, picture = (f"/v1/models/{name}:predict" for name in ("half", "pair", "picture"))
    error = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: {}"
    made: list[Callable[[], Request]] = [
        lambda: Request(half, f'{{"instances": [[{value}, 1.0]]}}', 200, ({"predictions": [[value / 2 + 3, 3.5]]},)),
        lambda: Request(half, "{", 400, ({"error": "JSON Parse error: Missing a name for object member. at offset: 1"},)),
        lambda: Request(pair, f'{{"inputs": {{"a": [{value}], "b": [1]}}}}', 200, ({"outputs": {"sum": [value + 1], "difference": [value - 1]}},)),
        lambda: Request(f"/v1/models/no{number}:predict", "{}", 404, ({"error": f"Servable not found for request: Latest(no{number})"},)),
        lambda: Request(
            picture,
            f'{{"instances": [{{"b64": "{noise}"}}]}}',
            200,
            ({"predictions": [{"image_bytes": {"b64": noise}, "size": len(base64.b64decode(noise))}]},),
        ),
        lambda: Request(picture, '{"instances": [{"b64": "?"}]}', 400, ({"error": error.format(0, "Unable to base64 decode")},)),
        lambda: Request("/v1/models/live:predict", f'{{"instances": [{value}]}}', 200, tuple({"predictions": [value / 2 + each]} for each in (2, 3))),
        lambda: Request(half, '{"instances": [[1.0], [1.0, 2.0]]}', 400, ({"error": error.format(1, "Expecting tensor size: 1 but got: 2")},)),
        lambda: Request(half, json.dumps({"instances": [value] * 50}), 200, ({"predictions": [value / 2 + 3] * 50},)),
        lambda: Request("/v1/models/half/versions/9", None, 404, ({"error": "Could not find version 9 of model half"},)),
    ]
    return made[number % KINDS]()


@dataclass
class Round:
    """What became of a number of requests."""

    requests: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Figures for people."""
        ordered = sorted(self.latencies_ms)
        return {
            "requests": self.requests,
            "lost_or_wrong": len(self.wrong),
            "per_s": round(self.requests / self.seconds, 1),
            "p50_ms": round(ordered[len(ordered) // 2], 2),
            "p99_ms": round(ordered[len(ordered) * 99 // 100], 2),
        }


def drive(port: int, total: int, clients: int, meanwhile: Callable[[], None] = lambda: None) -> Round:
    """Sends `total` requests from `clients` threads, each with a connection of its own, and calls `meanwhile` after a third of them."""
    made, lock, third = Round(requests=total), threading.Lock(), threading.Event()

    def client(first: int) -> None:
        with urllib3.PoolManager(retries=False) as pool:
            for number in range(first, total, clients):
                began = time.perf_counter()
                wrong = _ask(pool, port, request(number))
                with lock:
                    made.latencies_ms.append((time.perf_counter() - began) * 1e3)
                    made.wrong += [f"{number}: {wrong}"] if wrong else []
                if number >= total // 3:
                    third.set()

    began = time.perf_counter()
    threads = [threading.Thread(target=client, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    third.wait(60)
    meanwhile()
    for thread in threads:
        thread.join()
    made.seconds = time.perf_counter() - began
    return made


def _ask(pool: urllib3.PoolManager, port: int, asked: Request) -> str:
    """What is wrong with the answer; nothing is."""
    method = "GET" if asked.body is None else "POST"
    try:
        response = pool.request(method, f"http://127.0.0.1:{port}{asked.path}", body=asked.body, timeout=30.0)
        found = response.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        return f"lost: {error!r}"
    right = response.status == asked.status and found in asked.answers
    return "" if right else f"{asked.path}: {response.status} {response.data[:300]!r}"


def vanish(port: int, times: int) -> None:
    """Clients that die: in the headers, in the body, and before the answer to a whole request is read; the kernel resets each connection."""
    body = b'{"inputs": [' + b"1.0, " * 20_000 + b"1.0]}"
    head = b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(body)
    for _ in range(times):
        for sent in (head, head + b"\r\n" + body[:1000], head + b"\r\n" + body):
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(ConnectionError):
                    connection.sendall(sent)


class Live:
    """A model `live` that gets a second version while it is served."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "live"
        models.save_half(self.folder / "1", 2.0)
        self._next = root / "next"
        models.save_half(self._next, 3.0)

    def publish(self) -> None:
        """Puts version 2 in place, whole at once."""
        self._next.rename(self.folder / "2")

    def wait(self, port: int, timeout_s: float = 30.0) -> None:
        """Waits until version 2 alone answers."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            states = urllib3.request("GET", f"http://127.0.0.1:{port}/v1/models/live", timeout=30.0).json()["model_version_status"]
            if [state["version"] for state in states if state["state"] == "AVAILABLE"] == ["2"]:
                return
            time.sleep(0.05)
        raise TimeoutError(f"version 2 of live is not alone after {timeout_s} s: {states}")


def write(root: Path) -> tuple[Path, Live]:
    """The models that are asked, and their models.config."""
    config, live = models.write(root), Live(root)
    text = config.read_text(encoding="utf-8").rstrip().removesuffix("}")
    config.write_text(f'{text}  config {{ name: "live" base_path: "{live.folder}" model_platform: "tensorflow" }}\n}}\n', encoding="utf-8")
    return config, live


@contextlib.contextmanager
def served(config: Path) -> Iterator[tuple[int, int]]:
    """`kvision serve` in a process of its own: its id and its REST port."""
    options = servers.on_free_ports()
    ports = f"rest_port={options.rest_port}, grpc_port={options.grpc_port}"
    code = f"from kvision.commands import serve; serve.run([{str(config)!r}], {ports}, engine='embedded')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:3]), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("serving "):
                raise RuntimeError(f"the server did not start: {line!r}")
            yield process.pid, options.rest_port
        finally:
            process.terminate()


def rss_mb(pid: int) -> float:
    """Memory of a process."""
    import psutil

    return round(psutil.Process(pid).memory_info().rss / 1e6, 1)


def measure(total: int, clients: int) -> dict[str, Any]:
    """Both rounds, the reload and the vanished clients, and the memory after each."""
    with tempfile.TemporaryDirectory() as root:
        config, live = write(Path(root))
        with served(config) as (pid, port):
            facts: dict[str, Any] = {"clients": clients, "other_load": round(os.getloadavg()[0], 1), "rss_mb": {"started": rss_mb(pid)}}
            for name in ("first", "second"):
                facts[name] = drive(port, total, clients).summary()
                facts["rss_mb"][name] = rss_mb(pid)
            reloaded = drive(port, total, clients, live.publish)
            live.wait(port)
            facts["reload"] = reloaded.summary()
            vanished = drive(port, total, clients, lambda: vanish(port, 20))
            facts["60 clients vanished"] = vanished.summary()
            facts["rss_mb"]["end"] = rss_mb(pid)
            facts["wrong"] = [*reloaded.wrong, *vanished.wrong][:10]
    return facts


def main() -> None:
    """Measures, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    facts = measure(given.requests, given.clients)
    text = json.dumps(facts, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
