"""Which server is started, how, and what the user is told; with stand-ins for tensorflow_model_server and docker that note how they were called."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from kvision.core.errors import RunError, UsageError
from kvision_export.serving import launch, ports
from kvision_export.serving.launch import Options
from kvision_export.serving.offered import Model, Offer
from kvision_export.serving.server.config import Batching
from tests.export.serving import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = """#!{python}
import http.server, json, os, pathlib, re, signal, sys
notes = pathlib.Path({notes!r})
if sys.argv[1:2] == ["stop"]:
    os.kill(int(notes.with_suffix(".pid").read_text()), signal.SIGKILL)
    notes.with_suffix(".stopped").write_text(sys.argv[-1])
    sys.exit(0)
notes.write_text(chr(10).join(sys.argv[1:]))
notes.with_suffix(".pid").write_text(str(os.getpid()))
if {code} is not None or sys.argv[1:2] == ["image"]:
    sys.exit({code})
rest = re.search(r"--rest_api_port=(\\d+)|--publish=127.0.0.1:(\\d+):8501", " ".join(sys.argv))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({{"model_version_status": [{{"state": {state!r}, "status": {{"error_message": "no such op"}}}}]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(rest[1] or rest[2])), Handler).serve_forever()
"""


def stand_in(folder: Path, name: str, state: str = "AVAILABLE", code: int | None = None) -> Path:
    """A program that answers as a server would; returns the file where it notes its arguments."""
    notes = folder / f"{name}.txt"
    program = folder / name
    program.write_text(SERVER.format(python=sys.executable, notes=str(notes), state=state, code=code))
    program.chmod(0o755)
    return notes


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def options() -> Options:
    return servers.on_free_ports()


OFFER = Offer((Model("unet", Path("/models/unet"), (1, 3)),))


def test_the_engine_that_is_there(path: Path) -> None:
    assert launch.choose("auto") == launch.choose("embedded") == "embedded"
    with pytest.raises(UsageError, match="--engine tensorflow_model_server: is not on PATH; install TensorFlow Serving, or use --engine embedded"):
        launch.choose("tensorflow_model_server")
    with pytest.raises(UsageError, match="no image tensorflow/serving, which is not fetched unasked; docker pull tensorflow/serving"):
        launch.choose("docker")
    docker = stand_in(path, "docker", code=1)
    assert launch.choose("auto") == "embedded"  # docker is there, the image is not
    assert docker.read_text().split() == ["image", "inspect", "tensorflow/serving"]
    stand_in(path, "docker", code=0)
    assert launch.choose("auto") == launch.choose("docker", "my/image") == "docker"
    assert docker.read_text().split() == ["image", "inspect", "my/image"]
    stand_in(path, "tensorflow_model_server")
    assert launch.choose("auto") == "tensorflow_model_server"
    assert launch.choose("embedded") == "embedded"


def test_an_engine_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match=r"--engine embeded: accepted are auto, embedded, tensorflow_model_server, docker.*embedded"):
        launch.choose("embeded")


def test_tensorflow_servings_flags_and_files(tmp_path: Path) -> None:
    options = Options(rest_port=1, grpc_port=2, batching=Batching(max_batch_size=8, batch_timeout_micros=3000))
    arguments = launch.command("tensorflow_model_server", tmp_path, OFFER, options)
    assert arguments[:3] == ["tensorflow_model_server", "--port=2", "--rest_api_port=1"]
    assert f"--model_config_file={tmp_path}/models.config" in arguments
    assert 'name: "unet" base_path: "/models/unet" model_platform: "tensorflow"' in (tmp_path / "models.config").read_text()
    assert f"--monitoring_config_file={tmp_path}/monitoring.config" in arguments
    assert 'path: "/monitoring/prometheus/metrics"' in (tmp_path / "monitoring.config").read_text()
    assert {"--enable_batching=true", f"--batching_parameters_file={tmp_path}/batching_params.pbtxt"} < set(arguments)
    text = (tmp_path / "batching_params.pbtxt").read_text()
    assert "max_batch_size { value: 8 }" in text
    assert "batch_timeout_micros { value: 3000 }" in text
    alone = launch.command("tensorflow_model_server", tmp_path, OFFER, Options(batching=Batching(max_batch_size=1)))
    assert not any("batching" in argument for argument in alone)


def test_dockers_mounts_and_ports(tmp_path: Path) -> None:
    arguments = launch.command("docker", tmp_path, OFFER, Options(rest_port=1, grpc_port=2, host="0.0.0.0", image="my/image"))
    image = arguments.index("my/image")
    assert arguments[:2] == ["docker", "run"]
    assert {"--rm", "--pull=never", "--publish=0.0.0.0:1:8501", "--publish=0.0.0.0:2:8500"} < set(arguments[:image])
    assert {f"--volume={tmp_path}:{tmp_path}:ro", "--volume=/models/unet:/models/unet:ro"} < set(arguments[:image])
    assert f"--model_config_file={tmp_path}/models.config" in arguments[image:]
    assert not any(argument.startswith(("--port", "--rest_api_port")) for argument in arguments)  # the image's own are published


def test_it_tells_what_runs_and_a_line_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    launch.tell(OFFER, "embedded", Options(rest_port=1, grpc_port=2))
    first, second = capsys.readouterr().out.splitlines()
    assert first == "serving unet (version 3) with the embedded server (for development): REST http://localhost:1, gRPC localhost:2"
    line = second.removeprefix("try: ")
    echo = line.replace("photo.jpg", "/dev/null").split(" | ")[0]
    sent = subprocess.run(["bash", "-c", echo], check=True, capture_output=True, text=True).stdout
    assert sent.strip() == '{"instances": [{"b64": ""}]}'
    assert line.endswith("| curl -d @- http://localhost:1/v1/models/unet:predict")
    launch.tell(OFFER, "tensorflow_model_server", Options())
    assert "which listens at all addresses of this machine" in capsys.readouterr().out


def test_any_port_that_is_free() -> None:
    found = ports.given(launch.Options(rest_port=0, grpc_port=0))
    ports.require(found)
    assert 0 not in (found.rest_port, found.grpc_port)
    assert ports.given(launch.Options()) == launch.Options()


def test_a_port_in_use(options: Options) -> None:
    ports.require(options)
    for port, option in ((options.rest_port, "--rest-port"), (options.grpc_port, "--grpc-port")):
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            with pytest.raises(UsageError, match=rf"{option} {port}: can't listen at 127.0.0.1:{port} \(Address already in use\).*another {option}"):
                launch.serve(OFFER, "embedded", options)
    with pytest.raises(UsageError, match=r"--rest-port 5: is --grpc-port, too"):
        ports.require(Options(rest_port=5, grpc_port=5))


def test_a_server_that_ends_at_once(path: Path, options: Options) -> None:
    stand_in(path, "tensorflow_model_server", code=7)
    with pytest.raises(RunError, match="tensorflow_model_server ended with code 7 before it served unet"):
        launch.serve(OFFER, "tensorflow_model_server", options)


def test_a_model_that_can_not_be_loaded(path: Path, options: Options) -> None:
    stand_in(path, "tensorflow_model_server", state="END")
    with pytest.raises(RunError, match="/models/unet: tensorflow_model_server can't load it: no such op"):
        launch.serve(OFFER, "tensorflow_model_server", options)
    ports.require(options)  # the child is gone


@contextlib.contextmanager
def serving(given: Path, options: Options, engine: str = "auto") -> Iterator[subprocess.Popen[str]]:
    """`kvision serve` in a process of its own, which is gone afterwards, even if the test fails."""
    code = (
        # A shell lets what it starts in the background, tests too, ignore Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from kvision.commands import serve; "
        f"serve.run([{str(given)!r}], rest_port={options.rest_port}, grpc_port={options.grpc_port}, engine={engine!r})"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_child(path: Path, tmp_path: Path, options: Options, sign: signal.Signals) -> None:
    notes = stand_in(path, "tensorflow_model_server")
    (tmp_path / "unet/1").mkdir(parents=True)
    (tmp_path / "unet/1/saved_model.pb").touch()
    with serving(tmp_path / "unet", options) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving unet (version 1) with tensorflow_model_server")
        assert f"--port={options.grpc_port}" in notes.read_text().splitlines()
        process.send_signal(sign)
        out, _ = process.communicate(timeout=20)
    assert out.splitlines()[-1] == "stopped"
    assert process.returncode == 0
    began = time.monotonic()
    ports.require(options)
    assert time.monotonic() - began < 1


def test_the_embedded_server_ends_when_asked(model_config: Path, options: Options) -> None:
    with serving(model_config, options, engine="embedded") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(
            "serving half (version 2), pair (version 1), picture (version 1), kinds (version 1) with the embedded"
        )
        response = urllib3.request("POST", f"{options.url}/v1/models/half:predict", body=b'{"inputs": [1.0]}', retries=False, timeout=10.0)
        assert response.json() == {"outputs": [3.5]}
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert out.splitlines()[-1] == "stopped"
    assert process.returncode == 0


def test_a_container_is_stopped_by_docker(path: Path, tmp_path: Path, options: Options) -> None:
    notes = stand_in(path, "docker")
    with launch.child("docker", tmp_path, OFFER, options) as process:
        name = next(argument for argument in notes.read_text().splitlines() if argument.startswith("--name="))
        assert process.poll() is None
        assert not notes.with_suffix(".stopped").exists()
    assert notes.with_suffix(".stopped").read_text() == name.removeprefix("--name=")
    assert process.poll() is not None


def test_a_server_that_ends_by_itself(path: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = stand_in(path, "tensorflow_model_server")
    monkeypatch.setattr(launch, "tell", lambda *_: os.kill(int(notes.with_suffix(".pid").read_text()), signal.SIGKILL))
    with pytest.raises(RunError, match="tensorflow_model_server ended by itself with code -9; its messages above say why"):
        launch.serve(OFFER, "tensorflow_model_server", options)
