"""Predict: what a signature takes and gives, checked as TF Serving checks it (predict_util.cc, cc/saved_model/util.cc)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from kvision_export.serving.server.model import DEFAULT_SIGNATURE, Model, dtype_name
from kvision_export.serving.server.status import Code, StatusError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np


class Run(Protocol):
    """Computes outputs of a signature of a model: `Model.run`, or through batches."""

    def __call__(self, signature: str, inputs: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> Mapping[str, np.ndarray]:
        """As `Model.run`."""


def predict(model: Model, signature: str, inputs: Mapping[str, np.ndarray], wanted: Sequence[str], run: Run) -> Mapping[str, np.ndarray]:
    """Answers a request.

    Args:
        model: That the request names.
        signature: Empty for the default.
        inputs: Arrays by input.
        wanted: The outputs asked for; empty for all (`output_filter`).
        run: How to compute.

    Returns:
        Arrays by output.

    Raises:
        StatusError: If the request does not fit the signature; what `run` raises.
    """
    name = signature or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    definition = model.signatures[name]
    given = _with_defaults(definition, inputs)
    seen: set[str] = set()
    for alias in wanted:
        if alias not in definition.outputs:
            names = _joined(definition.outputs)
            raise invalid(f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {{{names}}}.")
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return run(name, given, tuple(sorted(seen or definition.outputs)))


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def _with_defaults(definition: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs, with the signature's own values where it has some."""
    import tensorflow as tf

    given, expected = set(inputs), set(definition.inputs)
    if len(given) > len(expected) or (len(given) < len(expected) and not definition.defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(expected)} len({{{_joined(given)}}}) != len({{{_joined(expected)}}}). "
            f"Sent extra: {{{_joined(given - expected)}}}. Missing but required: {{{_joined(expected - given)}}}."
        )
    complete = {}
    for alias in sorted(expected):
        if alias in inputs:
            complete[alias] = inputs[alias]
        elif alias in definition.defaults:
            complete[alias] = tf.make_ndarray(definition.defaults[alias])
        else:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {definition.inputs[alias].name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {{{_joined(given)}}}, or default input alias set: {_joined(definition.defaults)}"
            )
    if given - expected:
        raise invalid(f"Inputs contains invalid name. Used request inputs: {_joined(given & expected)}, request input: {_joined(given)}")
    return complete


def predict_proto(model: Model, request: Any, run: Run) -> Any:
    """Answers a `PredictRequest`.

    Args:
        model: That it names.
        request: The message.
        run: How to compute.

    Returns:
        A `PredictResponse`.

    Raises:
        StatusError: As `predict`; INVALID_ARGUMENT of a tensor that can't be read.
    """
    from tensorflow_serving.apis import predict_pb2

    inputs = {alias: read_tensor(alias, tensor) for alias, tensor in request.inputs.items()}
    outputs = predict(model, request.model_spec.signature_name, inputs, request.output_filter, run)
    response = predict_pb2.PredictResponse()
    fill_spec(response.model_spec, model, request.model_spec.signature_name or DEFAULT_SIGNATURE)
    for alias, array in outputs.items():
        write_tensor(array, response.outputs[alias])
    return response


def fill_spec(spec: Any, model: Model, signature: str) -> None:
    """Says in an answer what it comes from.

    Args:
        spec: The `ModelSpec` of the answer.
        model: That answered.
        signature: That was run; empty for none.
    """
    spec.name = model.name
    spec.version.value = model.version
    spec.signature_name = signature


_MOST_ELEMENTS = 2**28
"""Of a tensor in a request: a TensorProto may give one value for all of them."""


def read_tensor(alias: str, tensor: Any) -> np.ndarray:
    """A `TensorProto` as an array.

    Args:
        alias: The input, for the error.
        tensor: The message.

    Returns:
        The array; strings are `object`s of bytes.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    import tensorflow as tf

    try:
        if math.prod(dim.size for dim in tensor.tensor_shape.dim) > _MOST_ELEMENTS:
            raise ValueError("a few bytes would fill the memory")
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError):
        raise invalid(f"tensor parsing error: {alias}") from None


_FIELDS = {
    "float": "float_val",
    "double": "double_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "string": "string_val",
    **dict.fromkeys(("int32", "int16", "int8", "uint8", "uint16"), "int_val"),
}


def write_tensor(array: np.ndarray, tensor: Any) -> None:
    """Fills a `TensorProto`, value by value in the field of its dtype, as TF Serving does (`AsProtoField`).

    Args:
        array: Strings are `object`s of bytes.
        tensor: The message.
    """
    import tensorflow as tf

    field = _FIELDS.get(dtype_name(array.dtype))
    if field is None:
        tensor.CopyFrom(tf.make_tensor_proto(array))
        return
    tensor.dtype = tf.as_dtype(array.dtype).as_datatype_enum
    tensor.tensor_shape.SetInParent()
    for size in array.shape:
        tensor.tensor_shape.dim.add().size = size
    getattr(tensor, field).extend(array.reshape(-1).tolist())
