"""Messages of TensorFlow Serving's gRPC, as the tests send them."""

from __future__ import annotations

from typing import Any


def predicting(model: str, signature: str = "", version: int | None = None, label: str = "", outputs: tuple[str, ...] = (), **inputs: Any) -> Any:
    """A `PredictRequest`."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
