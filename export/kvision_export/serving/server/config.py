"""What is served, and how: models with the versions wanted of each, batching, limits. Read from TF Serving's own text files or given in Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS = "/monitoring/prometheus/metrics"
"""Path of the counts and latencies on the REST port."""
_NUMBERS = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")


@dataclass(frozen=True)
class ModelSource:
    """A model and the versions of it to serve.

    Attributes:
        name: As in `/v1/models/NAME`.
        base_path: Folder that holds the folders `<integer>/`, each a SavedModel.
        labels: Version by label, as in `/v1/models/NAME/labels/LABEL`.
        latest: How many of the highest versions; None for all.
        specific: These versions only, if any is named.
    """

    name: str
    base_path: Path
    labels: Mapping[str, int] = field(default_factory=dict)
    latest: int | None = 1
    specific: tuple[int, ...] = ()

    def wanted(self, found: Mapping[int, Path]) -> dict[int, Path]:
        """The versions to serve among those found, the highest first.

        Args:
            found: Folder by version.

        Returns:
            Those that the policy asks for.
        """
        highest = sorted(found, reverse=True)
        chosen = [version for version in highest if version in self.specific] if self.specific else highest[: self.latest]
        return {version: found[version] for version in chosen}


@dataclass(frozen=True)
class Batching:
    """How requests are merged (BatchingParameters of session_bundle_config.proto).

    Attributes:
        max_batch_size: Most rows in a batch; 1 merges nothing.
        batch_timeout_micros: How long a batch that is not full waits for more while a thread is free.
        max_enqueued_batches: Batches of one signature that may wait; beyond, requests are UNAVAILABLE.
        num_batch_threads: Batches computed at a time, of all models.
        allowed_batch_sizes: Sizes that a batch is padded to, rising to `max_batch_size`; empty for any.
        large_requests: Whether a request of more rows than `max_batch_size` is computed as it is, else refused.
    """

    max_batch_size: int = 32
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 100
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple[int, ...] = ()
    large_requests: bool = True

    def text(self) -> str:
        """The numbers as `read_batching` and TF Serving's `--batching_parameters_file` take them."""
        return "".join(f"{name} {{ value: {getattr(self, name)} }}\n" for name in _NUMBERS)


@dataclass(frozen=True)
class Options:
    """Everything about the server that is not about one model.

    Attributes:
        host: Address to listen at.
        poll_wait_s: Time between two looks at the base paths; 0 looks once.
        batching: Of models that have no `batching_params.pbtxt` of their own.
        max_body_bytes: Largest request.
        timeout_s: How long a request may take.
        handler_threads: Requests read and answered at a time, for each of REST and gRPC.
        access_log: Whether each REST request is logged, to the logger `kvision.serving.access`.
    """

    host: str = "127.0.0.1"
    poll_wait_s: float = 1.0
    batching: Batching = Batching()
    max_body_bytes: int = 64 * 1024 * 1024
    timeout_s: float = 30.0
    handler_threads: int = 32
    access_log: bool = False


def sources_of(config: Any) -> list[ModelSource]:
    """The models of a `ModelServerConfig`.

    Args:
        config: The message.

    Returns:
        One source for each `config`.

    Raises:
        UsageError: If a name comes twice, or a path is not absolute; in TF Serving's words.
    """
    sources: list[ModelSource] = []
    for model in config.model_config_list.config:
        if model.name in {source.name for source in sources}:
            raise UsageError(f"Illegal to list model {model.name} multiple times in config list")
        if not Path(model.base_path).is_absolute():
            raise UsageError(f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}")
        policy = model.model_version_policy
        latest = None if policy.WhichOneof("policy_choice") == "all" else max(policy.latest.num_versions, 1)
        sources.append(ModelSource(model.name, Path(model.base_path), dict(model.version_labels), latest, tuple(policy.specific.versions)))
    return sources


def read_models(path: Path) -> list[ModelSource]:
    """Reads a `models.config`.

    Args:
        path: A text file with a `ModelServerConfig`.

    Returns:
        Its models.

    Raises:
        UsageError: If it can't be read, or is not such a file.
    """
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from tensorflow_serving.config import model_server_config_pb2

    try:
        return sources_of(text_format.Parse(path.read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig()))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}; give a text file with model_config_list {{ config {{ ... }} }}") from None
    except text_format.ParseError as error:
        raise UsageError(f"{path}:{error}; give a text file with model_config_list {{ config {{ name: ... base_path: ... }} }}") from None


_PASSED_OVER = {"thread_pool_name", "pad_variable_length_inputs", "max_execution_batch_size"}


def _with(batching: Batching, name: str, value: str) -> Batching:
    """Batching with one field as a line of a file says it."""
    given: Any  # of the field's own type
    if name in _NUMBERS:
        given = int(value)
    elif name == "allowed_batch_sizes":
        given = (*batching.allowed_batch_sizes, int(value))
    elif name == "enable_large_batch_splitting":
        name, given = "large_requests", value == "true"
    else:
        raise KeyError(name)
    return replace(batching, **{name: given})


def read_batching(path: Path, default: Batching) -> Batching:
    """Reads a `batching_params.pbtxt`.

    Args:
        path: A text file with `BatchingParameters`; its message is not in tensorflow-serving-api, so the few forms it has are read here.
        default: What it does not say.

    Returns:
        How to merge.

    Raises:
        UsageError: If a line can't be understood; names it.
    """
    batching = default
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        name, _, rest = text.partition("{") if "{" in text else text.partition(":")
        name, value = name.strip(" :"), rest.strip(" }").removeprefix("value").strip(" :")
        if name in _PASSED_OVER:
            continue
        try:
            batching = _with(batching, name, value)
        except KeyError:
            raise UsageError(f"{path}:{number}: {name}: accepted are {', '.join(_NUMBERS)} and allowed_batch_sizes") from None
        except ValueError:
            raise UsageError(f"{path}:{number}: {text}: expected a whole number, as in {name} {{ value: 32 }}") from None
    sizes = batching.allowed_batch_sizes
    if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != batching.max_batch_size):
        raise UsageError(f"{path}: allowed_batch_sizes {sizes} must rise and end with max_batch_size {batching.max_batch_size}")
    return batching
