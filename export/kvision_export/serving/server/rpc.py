"""gRPC: PredictionService and ModelService with the messages of tensorflow-serving-api."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from kvision_export.serving.server.service import check_deadline
from kvision_export.serving.server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from kvision_export.serving.server.service import Service

_MOST_CHARACTERS = 1024
"""Of a message: it travels in a header (grpc_status_util.cc)."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def server(service: Service, threads: Executor) -> grpc.Server:
    """A gRPC server without a port.

    Args:
        service: What it can do.
        threads: Answer the requests.

    Returns:
        The server, not started.
    """
    options = [
        ("grpc.max_receive_message_length", service.options.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # a port in use is an error, not shared
    ]
    made = grpc.server(threads, options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(service), made)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(service), made)
    return made


def _answer(service: Service, context: grpc.ServicerContext, api: str, model: str, call: Callable[[float], Any]) -> Any:
    """Calls with the deadline that server and client agree on; an error becomes the status of the call."""
    remaining = context.time_remaining()
    limit = service.options.timeout_s if remaining is None else min(remaining, service.options.timeout_s)
    deadline = time.monotonic() + limit
    try:
        with service.counted(model, api, "GRPC"):
            check_deadline(deadline)
            return call(deadline)
    except StatusError as error:
        message = error.message if len(error.message) <= _MOST_CHARACTERS else f"{error.message[:_MOST_CHARACTERS]}...TRUNCATED"
        context.abort(_CODES[int(error.code)], message)


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`tensorflow.serving.PredictionService`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers with the outputs of a signature."""
        return _answer(self._service, context, "Predict", request.model_spec.name, lambda deadline: self._service.predict(request, deadline))

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers with classes and scores."""
        return _answer(self._service, context, "Classify", request.model_spec.name, lambda deadline: self._service.classify(request, deadline))

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers with one number an example."""
        return _answer(self._service, context, "Regress", request.model_spec.name, lambda deadline: self._service.regress(request, deadline))

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers for several signatures."""
        name = request.tasks[0].model_spec.name if request.tasks else ""
        return _answer(self._service, context, "MultiInference", name, lambda deadline: self._service.multi_inference(request, deadline))

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers with the signatures."""
        return _answer(self._service, context, "GetModelMetadata", request.model_spec.name, lambda _: self._service.metadata(request))


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    """`tensorflow.serving.ModelService`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers with the states of a model's versions."""
        return _answer(self._service, context, "GetModelStatus", request.model_spec.name, lambda _: self._service.status(request))

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Serves other models from now on."""

        def call(_: float) -> Any:
            self._service.reload(request)
            response = model_management_pb2.ReloadConfigResponse()
            response.status.error_code = int(Code.OK)
            return response

        return _answer(self._service, context, "HandleReloadConfigRequest", "", call)
