"""The life of a server: starting, draining, signals, ports, missing libraries, memory."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kvision.core.errors import RunError, UsageError
from kvision_export.serving.server import app
from kvision_export.serving.server.app import ModelSource, Options, Server
from kvision_export.serving.server.model import Model
from tests.export.serving.messages import predicting
from tests.export.serving.server.asking import Site, wait_until

ONE = '{"instances": [1.0]}'


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Every computation waits for this; set at the end of the test at the latest."""
    go, run = threading.Event(), Model.run
    monkeypatch.setattr(Model, "run", lambda *given: (go.wait(5), run(*given))[1])
    return go


def uses(server: Server) -> int:
    """Requests that `half` is answering."""
    return sum(model._uses for model in server._versions._available("half").values())


def test_stopping_finishes_what_is_under_way_and_takes_no_more(base: Path, slow: threading.Event) -> None:
    server = Server([ModelSource("half", base)]).start()
    answers: list[tuple[int, str]] = []
    asking = [threading.Thread(target=lambda: answers.append(Site(server).predict(ONE))) for _ in range(3)]
    for thread in asking:
        thread.start()
    wait_until(lambda: uses(server) == 3)
    stopping = threading.Thread(target=server.stop, args=(5,))
    stopping.start()
    wait_until(lambda: not _connects(server.rest_port))
    assert not answers
    slow.set()
    for thread in [*asking, stopping]:
        thread.join(10)
    assert [code for code, _ in answers] == [200, 200, 200]
    assert not _connects(server.grpc_port)


def test_stopping_finishes_grpc_calls_too(base: Path, slow: threading.Event) -> None:
    import grpc
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    server = Server([ModelSource("half", base)]).start()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict.future(predicting("half", x=[1.0]), timeout=10)
        wait_until(lambda: uses(server) == 1)
        threading.Timer(2.0, slow.set).start()
        server.stop(5)
        assert slow.is_set()  # it did not return before the call was answered
        assert list(call.result(5).outputs["y"].float_val) == [2.5]


def test_a_request_that_waits_too_long_for_its_turn(serve: Callable[..., Site]) -> None:
    site = serve(handler_threads=1, timeout_s=0.5)
    site.server._pools[0].submit(time.sleep, 1)  # the one thread is busy
    code, text = site.ask("GET", "/v1/models/half")
    assert (code, json.loads(text)["error"]) == (504, "Run() timeout exceeded while waiting in batching queue")


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_draining_is_bounded(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server([ModelSource("half", base)]).start()
    go = threading.Event()
    monkeypatch.setattr(Model, "run", lambda *_: go.wait(20))
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(Site(server).predict(ONE)))
    asking.start()
    wait_until(lambda: uses(server) == 1)
    start = time.monotonic()
    server.stop(0.2)
    assert time.monotonic() - start < 6
    go.set()
    asking.join(10)
    assert [code for code, _ in answers] == [503]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_drain(base: Path, number: signal.Signals) -> None:
    mine = signal.signal(number, lambda *_: None)
    try:
        server = Server([ModelSource("half", base)]).start()
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
        server.wait(5)
        assert not _connects(server.rest_port)
        assert signal.getsignal(number) is not signal.SIG_DFL  # what was there before is back
    finally:
        signal.signal(number, mine)


@pytest.mark.parametrize("kind", ["rest_port", "grpc_port"])
def test_a_port_in_use(base: Path, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=rf"can't listen at 127\.0\.0\.1:{port}.*choose another port"):
            Server([ModelSource("half", base)], **{kind: port}).start()


def test_two_models_of_one_name(base: Path) -> None:
    with pytest.raises(UsageError, match="two models are named half"):
        Server([ModelSource("half", base), ModelSource("half", base)])


def test_a_missing_library_is_named(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=re.escape("needs uvicorn, which is not installed: pip install 'kvision[serve]'")):
        app.Server([ModelSource("half", base)])


def test_under_load_every_request_has_its_own_answer(serve: Callable[..., Site]) -> None:
    site, wrong = serve(), []

    def ask(client: int) -> None:
        for index in range(40):
            x = client * 100.0 + index
            if index % 4 == 3:
                code, _ = site.predict('{"instances": ["x"]}')
                good = code == 400
            else:
                code, text = site.predict(json.dumps({"instances": [x, -x]}))
                good = code == 200 and json.loads(text)["predictions"] == [x / 2 + 2, -x / 2 + 2]
            if not good:
                wrong.append((client, index, code))

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.slow
def test_memory_does_not_grow(serve: Callable[..., Site]) -> None:
    site, process, sizes = serve(), psutil.Process(), []
    bodies = [ONE, "{", '{"signature_name": "several", "inputs": [1.0]}', json.dumps({"instances": [0.5] * 2000}), '{"instances": [[1], 2]}']
    for _ in range(5):
        for index in range(2000):
            site.predict(bodies[index % len(bodies)])
        sizes.append(process.memory_info().rss / 2**20)
    assert max(sizes[1:]) - sizes[1] < 4, sizes  # MB in 6,000 requests; the first 4,000 fill caches and thread pools


def test_starting_fails_without_a_trace(tmp_path: Path) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with pytest.raises(RunError, match="no folder named by an integer"):
        Server([ModelSource("x", tmp_path)], options=Options()).start()
    assert {thread.name for thread in threading.enumerate()} <= before
