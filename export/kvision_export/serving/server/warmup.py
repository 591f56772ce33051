"""Recorded requests, replayed before a version serves, so that the first real one is not slow (saved_model_warmup_util.cc)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision_export.serving.server.examples import classify, multi_inference, regress
from kvision_export.serving.server.prediction import predict_proto
from kvision_export.serving.server.status import Code, StatusError, invalid

if TYPE_CHECKING:
    import threading

    from kvision_export.serving.server.model import Model

_MOST = 1000
_ATTEMPTS = 3


def replay(model: Model, stopping: threading.Event) -> None:
    """Runs the `PredictionLog`s of `assets.extra/tf_serving_warmup_requests`, if there are any.

    Args:
        model: Just loaded.
        stopping: Set when the server stops, and nobody needs the model any more.

    Raises:
        StatusError: What a request raises; DATA_LOSS if the file is no TFRecord; INVALID_ARGUMENT of more than 1,000 records; CANCELLED.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow_serving.apis import prediction_log_pb2

    path = model.folder / "assets.extra" / "tf_serving_warmup_requests"
    if not path.is_file():
        return
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
            if stopping.is_set():
                raise StatusError(Code.CANCELLED, "The server is stopping")
            if number >= _MOST:
                raise invalid(f"Number of warmup records exceeds the maximum ({_MOST}) at {path}")
            try:
                log = prediction_log_pb2.PredictionLog.FromString(record)
            except DecodeError:
                raise invalid(f"Failed to parse warmup record: {record!r:.200} from {path}") from None
            _run_patiently(model, log)
    except tf.errors.DataLossError as error:
        raise StatusError(Code.DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format.") from None


def _run_patiently(model: Model, log: object) -> None:
    """Runs a record, again if it took too long: the first run of a signature includes optimizing its graph, which is then done."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            _run(model, log)
        except StatusError as error:
            if error.code is not Code.DEADLINE_EXCEEDED or not left:
                raise
        else:
            return


def _run(model: Model, log: object) -> None:
    kind = log.WhichOneof("log_type")  # type: ignore[attr-defined]
    calls = {"predict_log": predict_proto, "classify_log": classify, "regress_log": regress, "multi_inference_log": multi_inference}
    if kind in calls:
        calls[kind](model, getattr(log, kind).request, model.run)
    elif kind is not None:
        number = next(field.number for field in log.DESCRIPTOR.fields if field.name == kind)  # type: ignore[attr-defined]
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
