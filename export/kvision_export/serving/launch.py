"""Starts a server for SavedModels: TensorFlow Serving where it is installed, its docker image where that is, or else the embedded server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from kvision.core.errors import RunError, UsageError
from kvision.core.names import did_you_mean
from kvision_export.serving import ports
from kvision_export.serving.server.config import METRICS, Batching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision_export.serving.offered import Model, Offer
    from kvision_export.serving.server.app import Server

Engine = Literal["embedded", "tensorflow_model_server", "docker"]
AUTO = "auto"
BINARY = "tensorflow_model_server"
IMAGE = "tensorflow/serving"
LOAD_S = 300.0
"""How long loading may take."""
DRAIN_S = 15.0
"""How long requests that are under way may take when the server is stopped."""


@dataclass(frozen=True)
class Options:
    """How to serve.

    Attributes:
        rest_port: TCP port of REST; 0: any that is free.
        grpc_port: TCP port of gRPC; 0: any that is free.
        host: Address to listen at; `0.0.0.0`: all. `tensorflow_model_server` itself knows no other.
        batching: How requests that come together are computed together.
        image: The docker image.
    """

    rest_port: int = 8501
    grpc_port: int = 8500
    host: str = "127.0.0.1"
    batching: Batching = field(default_factory=Batching)
    image: str = IMAGE

    @property
    def client_host(self) -> str:
        """The host as someone on this machine calls it."""
        local = self.host in ("0.0.0.0", "::", "127.0.0.1")  # noqa: S104
        return "localhost" if local else f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """Of REST."""
        return f"http://{self.client_host}:{self.rest_port}"


def choose(engine: str, image: str = IMAGE) -> Engine:
    """The engine to start.

    Args:
        engine: One of them, or `auto`: the first of tensorflow_model_server, docker and embedded that is there.
        image: The docker image; it is never fetched.

    Returns:
        An engine that is there.

    Raises:
        UsageError: If there is no such engine, or the one asked for is not installed.
    """
    accepted = (AUTO, *get_args(Engine))
    if engine not in accepted:
        raise UsageError(f"--engine {engine}: accepted are {', '.join(accepted)}{did_you_mean(engine, accepted)}")
    if engine in (AUTO, BINARY) and shutil.which(BINARY):
        return "tensorflow_model_server"
    if engine == BINARY:
        raise UsageError(f"--engine {BINARY}: is not on PATH; install TensorFlow Serving, or use --engine embedded")
    if engine in (AUTO, "docker") and _has_image(image):
        return "docker"
    if engine == "docker":
        raise UsageError(f"--engine docker: no docker here, or no image {image}, which is not fetched unasked; docker pull {image}")
    return "embedded"


def serve(offer: Offer, engine: Engine, options: Options) -> None:
    """Serves until the process is asked to end (Ctrl-C, SIGTERM); requests that are under way are answered first.

    Args:
        offer: What to serve.
        engine: As `choose` found it.
        options: How to.

    Raises:
        UsageError: If a port is in use, or what the engine needs is not installed.
        RunError: If the server does not start, or ends by itself.
    """
    options = ports.given(options)
    ports.require(options)
    if engine == "embedded":
        with _until_asked(), embedded(offer, options) as server:
            tell(offer, engine, options)
            server.wait(DRAIN_S)
        return
    with _until_asked(), tempfile.TemporaryDirectory(prefix="kvision-serve-") as folder, child(engine, Path(folder), offer, options) as process:
        tell(offer, engine, options)
        code = process.wait()
        raise RunError(f"{engine} ended by itself with code {code}; its messages above say why")


def tell(offer: Offer, engine: str, options: Options) -> None:
    """Says in a line what runs where, and a line to try it with."""
    models = ", ".join(f"{model.name} (version {model.versions[-1]})" for model in offer.models)
    print(f"serving {models} with {_named(engine, options)}: REST {options.url}, gRPC {options.client_host}:{options.grpc_port}")
    url = f"{options.url}/v1/models/{offer.models[0].name}:predict"
    print(f"""try: echo '{{"instances": [{{"b64": "'$(base64 -w0 photo.jpg)'"}}]}}' | curl -d @- {url}""", flush=True)


def command(engine: Engine, folder: Path, offer: Offer, options: Options) -> list[str]:
    """The command line that starts TensorFlow Serving; its configuration is written into `folder`.

    Args:
        engine: `tensorflow_model_server` or `docker`.
        folder: For models.config, batching_params.pbtxt and monitoring.config.
        offer: What to serve.
        options: How to.

    Returns:
        Program and arguments. In docker everything has the path that it has here, so that a models.config holds in both.
    """
    (folder / "models.config").write_text(offer.config_text(), encoding="utf-8")
    (folder / "monitoring.config").write_text(f'prometheus_config {{ enable: true path: "{METRICS}" }}\n', encoding="utf-8")
    flags = [f"--model_config_file={folder}/models.config", f"--monitoring_config_file={folder}/monitoring.config"]
    flags.append("--allow_version_labels_for_unavailable_models=true")  # else the labels of a models.config fail at the start
    if options.batching.max_batch_size > 1:
        (folder / "batching_params.pbtxt").write_text(options.batching.text(), encoding="utf-8")
        flags += ["--enable_batching=true", f"--batching_parameters_file={folder}/batching_params.pbtxt"]
    if engine == "docker":
        published = [f"--publish={options.host}:{options.rest_port}:8501", f"--publish={options.host}:{options.grpc_port}:8500"]
        mounts = [f"--volume={path}:{path}:ro" for path in (folder, *(model.folder for model in offer.models))]
        return ["docker", "run", "--rm", "--init", "--pull=never", f"--name={_container()}", *published, *mounts, options.image, *flags]
    return [BINARY, f"--port={options.grpc_port}", f"--rest_api_port={options.rest_port}", *flags]


def embedded(offer: Offer, options: Options) -> Server:
    """The embedded server, which a `with` block starts and stops.

    Args:
        offer: What to serve.
        options: How to.

    Returns:
        The server; the block raises RunError if a model can't be served.

    Raises:
        UsageError: If `kvision[serve]` is not installed.
    """
    from kvision_export.serving.server import app, config

    sources = config.read_models(offer.config) if offer.config else [config.ModelSource(model.name, model.folder) for model in offer.models]
    return app.Server(sources, options.rest_port, options.grpc_port, config.Options(host=options.host, batching=options.batching))


@contextlib.contextmanager
def child(engine: Engine, folder: Path, offer: Offer, options: Options) -> Iterator[subprocess.Popen[bytes]]:
    """TensorFlow Serving as a child process, in a `with` block: its models are loaded at the start and it is stopped at the end.

    Args:
        engine: `tensorflow_model_server` or `docker`.
        folder: For its configuration.
        offer: What to serve.
        options: How to.

    Yields:
        The process.

    Raises:
        RunError: If it ends, or a model is not loaded.
    """
    environment = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ}
    # A session of its own: Ctrl-C at a terminal reaches us alone, and we decide when the child ends.
    process = subprocess.Popen(command(engine, folder, offer, options), env=environment, start_new_session=True)
    try:
        for model in offer.models:
            _await(process, engine, model, options)
        yield process
    finally:
        _stop(process, engine)


def _stop(process: subprocess.Popen[bytes], engine: Engine) -> None:
    if process.poll() is None and engine == "docker":
        subprocess.run(["docker", "stop", f"--time={DRAIN_S:.0f}", _container()], check=False, capture_output=True)
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(DRAIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await(process: subprocess.Popen[bytes], engine: Engine, model: Model, options: Options) -> None:
    """Waits until one version of a model can be asked."""
    import urllib3

    end = time.monotonic() + LOAD_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RunError(f"{engine} ended with code {process.returncode} before it served {model.name}; its messages above say why")
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            response = urllib3.request("GET", f"{options.url}/v1/models/{model.name}", retries=False, timeout=5.0)
            states: list[dict[str, Any]] = response.json().get("model_version_status", [])
            if any(state["state"] == "AVAILABLE" for state in states):
                return
            if states and all(state["state"] == "END" for state in states):
                raise RunError(f"{model.folder}: {engine} can't load it: {states[0]['status']['error_message']}")
        time.sleep(0.1)
    raise RunError(f"{model.folder}: {engine} has not loaded it within {LOAD_S:.0f} s; its messages above say why")


@contextlib.contextmanager
def _until_asked() -> Iterator[None]:
    """Ends the `with` block when Ctrl-C or SIGTERM asks for it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
        print("stopped", flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _has_image(image: str) -> bool:
    if not shutil.which("docker"):
        return False
    try:
        return subprocess.run(["docker", "image", "inspect", image], check=False, capture_output=True, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _container() -> str:
    return f"kvision-serve-{os.getpid()}"


def _named(engine: str, options: Options) -> str:
    if engine == "docker":
        return f"docker image {options.image}"
    if engine == BINARY and options.host != "0.0.0.0":  # noqa: S104
        return f"{BINARY}, which listens at all addresses of this machine"
    return BINARY if engine == BINARY else "the embedded server (for development)"
