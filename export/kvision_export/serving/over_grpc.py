"""A model behind the gRPC API of TensorFlow Serving (PredictionService and ModelService); needs `kvision[serve]`, and imports TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kvision.core.errors import UsageError
from kvision_export.serving.retrying import Again, ClientError, RefusedError
from kvision_export.serving.server.spec import Spec
from kvision_export.serving.signature import BYTES, STRING
from kvision_export.serving.transport import late

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from kvision_export.serving.address import Address
    from kvision_export.serving.signature import Served

_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]


class Grpc:
    """One server and model; keeps its channel.

    Args:
        address: With the scheme `grpc`.
    """

    def __init__(self, address: Address) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
        except ImportError as error:
            raise UsageError(f"{address}: gRPC needs {error.name}; pip install 'kvision[serve]', or use the REST port") from error
        self._address, self._spec = address, Spec(address.model, address.version, address.label or None)
        self._channel = grpc.insecure_channel(address.server, options=_UNLIMITED)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def status(self, left_s: float) -> dict[str, Any]:
        """As `Transport.status`."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        self._spec.fill(request.model_spec)
        return _plain(self._send(self._models.GetModelStatus, request, left_s))

    def metadata(self, left_s: float) -> dict[str, Any]:
        """As `Transport.metadata`."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._spec.fill(request.model_spec)
        response = self._send(self._prediction.GetModelMetadata, request, left_s)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return {"model_spec": _plain(response.model_spec), "metadata": {"signature_def": _plain(signatures)}}

    def predict(self, served: Served, images: Sequence[bytes], left_s: float) -> list[dict[str, Any]]:
        """As `Transport.predict`."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._spec.fill(request.model_spec)
        request.model_spec.signature_name = served.name
        request.inputs[served.image].CopyFrom(tf.make_tensor_proto(list(images), tf.string, [len(images)]))
        outputs = {name: tf.make_ndarray(proto) for name, proto in self._send(self._prediction.Predict, request, left_s).outputs.items()}
        wrong = [name for name, array in outputs.items() if array.shape[:1] != (len(images),)]
        if wrong:
            raise ClientError(f"{self._address}: {len(images)} images were sent, and output {wrong[0]} has not as many answers")
        return [{name: _value(served, name, array[row]) for name, array in outputs.items()} for row in range(len(images))]

    def _send(self, call: Callable[..., Any], request: Any, left_s: float) -> Any:
        import grpc

        try:
            return call(request, timeout=left_s)
        except grpc.RpcError as error:
            code = error.code()
            message = f"{self._address}: {code.name}: {error.details()}"
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                raise Again(f"{message}; is the server running, and is this its gRPC port?") from error
            if code == grpc.StatusCode.INVALID_ARGUMENT:
                raise RefusedError(message) from error
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise late(self._address) from error
            raise ClientError(message) from error


def _plain(message: Any) -> dict[str, Any]:
    from google.protobuf import json_format  # type: ignore[import-untyped]

    values: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return values


def _value(served: Served, name: str, value: np.ndarray | bytes) -> Any:
    if name.endswith(BYTES):
        return value if isinstance(value, bytes) else value.tolist()
    if served.outputs.get(name) == STRING:
        return served.array(name, _text(value if isinstance(value, bytes) else value.tolist()))
    return served.array(name, value)


def _text(value: Any) -> Any:
    return [_text(each) for each in value] if isinstance(value, list) else value.decode("utf-8", "replace")
