"""What the server can do, for REST and gRPC alike: finds the model, computes in batches, counts."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from kvision.core.errors import UsageError
from kvision_export.serving.server import examples
from kvision_export.serving.server.config import sources_of
from kvision_export.serving.server.prediction import fill_spec, predict, predict_proto
from kvision_export.serving.server.spec import Spec, spec_of
from kvision_export.serving.server.status import Code, StatusError, invalid, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from kvision_export.serving.server.batching import Batcher
    from kvision_export.serving.server.config import Options
    from kvision_export.serving.server.json_request import Predict
    from kvision_export.serving.server.metrics import Metrics
    from kvision_export.serving.server.model import Model
    from kvision_export.serving.server.prediction import Run
    from kvision_export.serving.server.versions import Versions


_LOG = logging.getLogger("kvision.serving")


class Service:
    """A server without its ports.

    Attributes:
        versions: The models.
        options: Limits.
        metrics: Counts.
    """

    def __init__(self, versions: Versions, batcher: Batcher, metrics: Metrics, options: Options) -> None:
        """Puts the parts together.

        Args:
            versions: The models.
            batcher: Computes.
            metrics: Counts.
            options: Limits.
        """
        self.versions, self.options, self.metrics = versions, options, metrics
        self._batcher = batcher

    @contextmanager
    def counted(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts what happens inside; every exception comes out as a StatusError.

        Args:
            model: That the request names.
            api: `predict`, `classify` ...
            entrypoint: `REST` or `GRPC`.

        Yields:
            Nothing.

        Raises:
            StatusError: What happened.
        """
        start, code = time.monotonic(), Code.OK
        try:
            yield
        except Exception as error:
            status = status_of(error)
            code = status.code
            if status is error:
                raise
            if code is Code.INTERNAL:
                _LOG.exception("a request for %s failed in an unforeseen way", model)
            raise status from error
        finally:
            known = model if model in self.versions.names else ""
            self.metrics.request(known, api, entrypoint, code, time.monotonic() - start)

    def predict_rows(self, spec: Spec, read: Callable[[Callable[[str], Mapping[str, str]]], Predict], deadline: float) -> tuple[Predict, Any]:
        """Answers a predict request whose body can only be read with the signature at hand (REST).

        Args:
            spec: What the path names.
            read: From a function that gives a signature's dtypes to the request.
            deadline: On the monotonic clock.

        Returns:
            The request, and arrays by output.

        Raises:
            StatusError: If it can't be answered.
        """
        model: Model | None = None

        def dtypes_of(signature: str) -> Mapping[str, str]:
            nonlocal model
            model = held.enter_context(self.versions.use(spec))
            return model.dtypes(signature)

        with ExitStack() as held:
            request = read(dtypes_of)
            if model is None:
                raise invalid("Missing ModelSpec")
            return request, predict(model, request.signature, request.inputs, (), self._run(model, "Predict", deadline))

    def predict(self, request: Any, deadline: float) -> Any:
        """Answers a `PredictRequest`; raises StatusError."""
        return self._answer(predict_proto, "Predict", request, deadline)

    def classify(self, request: Any, deadline: float) -> Any:
        """Answers a `ClassificationRequest`; raises StatusError."""
        return self._answer(examples.classify, "Classify", request, deadline)

    def regress(self, request: Any, deadline: float) -> Any:
        """Answers a `RegressionRequest`; raises StatusError."""
        return self._answer(examples.regress, "Regress", request, deadline)

    def multi_inference(self, request: Any, deadline: float) -> Any:
        """Answers a `MultiInferenceRequest`; raises StatusError."""
        spec = spec_of(request.tasks[0]) if request.tasks else Spec("")
        with self.versions.use(spec) as model:
            return examples.multi_inference(model, request, self._run(model, "MultiInference", deadline))

    def _answer(self, answer: Callable[[Model, Any, Run], Any], api: str, request: Any, deadline: float) -> Any:
        with self.versions.use(spec_of(request)) as model:
            return answer(model, request, self._run(model, api, deadline))

    def _run(self, model: Model, api: str, deadline: float) -> Run:
        """How a request computes: in a batch."""

        def run(signature: str, inputs: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> Mapping[str, np.ndarray]:
            start = time.monotonic()
            kinds = tuple((name, array.dtype, array.shape[1:]) for name, array in sorted(inputs.items()))
            rows = _rows(model.signatures[signature], inputs, outputs)
            answer = self._batcher.run(
                (id(model), signature, outputs, kinds), lambda merged: model.run(signature, merged, outputs), inputs, rows, model.batching, deadline
            )
            self.metrics.runtime(model.name, api, time.monotonic() - start)
            return answer

        return run

    def metadata(self, request: Any) -> Any:
        """Answers a `GetModelMetadataRequest`.

        Args:
            request: The message.

        Returns:
            A `GetModelMetadataResponse` with the signatures.

        Raises:
            StatusError: If it asks for anything else, or of no model.
        """
        from tensorflow_serving.apis import get_model_metadata_pb2

        spec = spec_of(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != "signature_def":
                raise invalid(f"Metadata field {name} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self.versions.use(spec) as model:
            for name, definition in model.signatures.items():
                signatures.signature_def[name].CopyFrom(definition)
            fill_spec(response.model_spec, model, "")
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(self, request: Any) -> Any:
        """Answers a `GetModelStatusRequest`.

        Args:
            request: The message.

        Returns:
            A `GetModelStatusResponse`.

        Raises:
            StatusError: If there is no such model or version.
        """
        from tensorflow_serving.apis import get_model_status_pb2

        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state, error in self.versions.status(spec_of(request)):
            each = response.model_version_status.add(version=number, state=state)
            each.status.SetInParent()
            if error is not None:
                each.status.error_code, each.status.error_message = int(error.code), error.message
        return response

    def reload(self, request: Any) -> None:
        """Does what a `ReloadConfigRequest` asks for; returns when the models serve.

        Args:
            request: The message.

        Raises:
            StatusError: If the configuration is wrong, or a model can't be served.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid("ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported")
        try:
            sources = sources_of(request.config)
        except UsageError as error:
            raise invalid(str(error)) from None
        self.versions.reload(sources)


def _rows(definition: Any, inputs: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> int | None:
    """How many rows a request has, if inputs and outputs of its signature are rows of any number; else None: it is not to be merged."""
    infos = [*definition.inputs.values(), *(definition.outputs[name] for name in outputs)]
    if any(info.tensor_shape.unknown_rank or not info.tensor_shape.dim or info.tensor_shape.dim[0].size != -1 for info in infos):
        return None
    sizes = {array.shape[0] if array.ndim else None for array in inputs.values()}
    return sizes.pop() if len(sizes) == 1 else None


def check_deadline(deadline: float) -> None:
    """Raises if a request waited too long for its turn.

    Args:
        deadline: On the monotonic clock.

    Raises:
        StatusError: DEADLINE_EXCEEDED.
    """
    if time.monotonic() >= deadline:
        raise StatusError(Code.DEADLINE_EXCEEDED, "Run() timeout exceeded while waiting in batching queue")
