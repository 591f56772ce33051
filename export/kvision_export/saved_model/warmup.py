"""Requests that TF Serving replays when it loads a model, so that its first client does not wait for what is made once: recorded from real examples.

TF Serving reads them from `assets.extra/tf_serving_warmup_requests`, a TFRecord file of at most 1000 `PredictionLog` messages; one that fails keeps
the whole model from loading. They are encoded here by hand, so that exporting does not need tensorflow-serving-api.

References:
    tensorflow_serving/apis/prediction_log.proto, predict.proto, model.proto
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework.tensor_pb2 import TensorProto

from kvision_export.errors import ExportError
from kvision_export.saved_model.native import Native, NativeError, fields
from kvision_export.saved_model.served import DEFAULT, IMAGE, TENSOR
from kvision_export.tflite import calibration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kvision_export.subject import Subject

PATH = "assets.extra/tf_serving_warmup_requests"
BATCHES = (1, 2, 4, 8, 16)
MOST = 1000
"""Records that TF Serving reads at most."""
MOST_BYTES = 2**23
"""Of the inputs of one record: large pictures are recorded in small batches only, so that the file does not outgrow the model."""
_PREDICT_LOG, _REQUEST, _MODEL_SPEC, _INPUTS, _NAME, _SIGNATURE = 6, 1, 1, 2, 1, 3
"""Numbers of fields of PredictionLog, PredictLog, PredictRequest and ModelSpec."""


@dataclass(frozen=True)
class Request:
    """One call: inputs by name, strings as arrays of `bytes` objects."""

    signature: str
    inputs: Mapping[str, np.ndarray]

    @property
    def batch(self) -> int:
        """Examples in it."""
        return len(next(iter(self.inputs.values())))

    @property
    def bytes(self) -> int:
        """Size of its inputs."""
        return sum(sum(map(len, values)) if values.dtype == object else values.nbytes for values in self.inputs.values())


def record(subject: Subject) -> list[Request]:
    """Calls of each signature with each of `BATCHES` (see `MOST_BYTES`), on examples of the validation split.

    Args:
        subject: What is exported.

    Returns:
        For the `serving_default` of pictures PNG and JPEG files by turns; for each network what the system itself calls it with.
    """
    examples = subject.examples("val", range(min(max(BATCHES), subject.session.pipeline.num_val)))
    (first, *others) = subject.networks()
    heard = calibration.calls(subject, subject.given(examples))
    columns: dict[str, Mapping[str, np.ndarray]] = {TENSOR: heard[first], **{name: heard[name] for name in others}}
    columns[DEFAULT] = heard[first]
    if subject.takes_pictures:
        columns[DEFAULT] = {"image_bytes": encoded(examples)}
        columns[IMAGE] = {"image": examples}
    found = [
        Request(signature, {name: np.resize(values, (batch, *values.shape[1:])) for name, values in inputs.items()})
        for signature, inputs in columns.items()
        for batch in BATCHES
    ]
    return [each for each in found if each.batch == 1 or each.bytes <= MOST_BYTES]


def encoded(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 `[B, H, W, 3]` as files' bytes, objects `[B]`: PNG and JPEG by turns."""
    found = np.empty(len(pictures), object)
    for number, picture in enumerate(pictures):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG" if number % 2 else "PNG")
        found[number] = file.getvalue()
    return found


def write(folder: Path, requests: list[Request], model: str) -> Path:
    """Writes the requests into a SavedModel.

    Args:
        folder: Of the SavedModel.
        requests: At most `MOST`.
        model: Its name.

    Returns:
        The file.
    """
    path = folder / PATH
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for request in requests[:MOST]:
            file.write(_encode(request, model))
    return path


def read(folder: Path) -> list[Request]:
    """The requests in a SavedModel, as they were written."""
    return [_decode(record.numpy()) for record in tf.data.TFRecordDataset(str(folder / PATH))]


def replay(folder: Path) -> dict[str, list[str]]:
    """Loads a SavedModel as TF Serving does and replays its requests.

    Args:
        folder: Of the SavedModel, with its warm-up file.

    Returns:
        Names of the outputs of each signature.

    Raises:
        ExportError: If it does not load, or a request fails, or a real picture is not ok.
    """
    requests = read(folder)
    try:
        model = Native(folder)
        for number, request in enumerate(requests):
            found = model.run(request.inputs, request.signature)
            if not np.all(found.get("ok", True)):
                raise ExportError(f"{folder}: warm-up request {number} ({request.signature}): a picture of the validation split is not ok")
        outputs = {name: list(gives) for name, (_, gives) in model.signatures.items()}
        model.close()
    except NativeError as error:
        raise ExportError(f"{folder}: TF Serving would not load this model: {error}") from error
    return outputs


def _encode(request: Request, model: str) -> bytes:
    spec = _field(_NAME, model.encode()) + _field(_SIGNATURE, request.signature.encode())
    message = _field(_MODEL_SPEC, spec)
    for name, values in request.inputs.items():
        tensor = tf.make_tensor_proto(values).SerializeToString()
        message += _field(_INPUTS, _field(1, name.encode()) + _field(2, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, message))


def _decode(record: bytes) -> Request:
    message = memoryview(record)
    for number in (_PREDICT_LOG, _REQUEST):
        message = memoryview(dict(fields(message))[number])  # type: ignore[arg-type]
    signature, inputs = "", {}
    for number, value in fields(message):
        parts = dict(fields(memoryview(value)))  # type: ignore[arg-type]
        if number == _MODEL_SPEC:
            signature = bytes(parts[_SIGNATURE]).decode()
        else:
            inputs[bytes(parts[1]).decode()] = tf.make_ndarray(TensorProto.FromString(bytes(parts[2])))
    return Request(signature, inputs)


def _field(number: int, payload: bytes) -> bytes:
    """A field of a protocol buffer that has a length."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
