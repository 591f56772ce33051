"""The same through gRPC: codes and messages of PredictionService and ModelService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.export.serving import servers
from tests.export.serving.messages import predicting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", params=["embedded", "tensorflow_model_server"])
def stubs(request: pytest.FixtureRequest, model_config: Path) -> Iterator[tuple[Any, Any]]:
    import grpc
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    with servers.running(request.param, model_config) as ports, grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel), model_service_pb2_grpc.ModelServiceStub(channel)


def refusal(call: Any, request: Any) -> tuple[str, str]:
    import grpc

    with pytest.raises(grpc.RpcError) as refused:
        call(request, timeout=10.0)
    return refused.value.code().name, refused.value.details()


def test_predictions(stubs: tuple[Any, Any]) -> None:
    import tensorflow as tf

    predict = stubs[0].Predict
    answer = predict(predicting("half", x=[1.0, 2.0]), timeout=10.0)
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [3.5, 4.0]
    assert (answer.model_spec.name, answer.model_spec.version.value, answer.model_spec.signature_name) == ("half", 2, "serving_default")
    assert tf.make_ndarray(predict(predicting("half", label="stable", x=[1.0]), timeout=10.0).outputs["y"]).tolist() == [2.5]
    assert tf.make_ndarray(predict(predicting("half", version=1, x=[[1.0]]), timeout=10.0).outputs["y"]).tolist() == [[2.5]]
    filtered = predict(predicting("pair", outputs=("sum",), a=[1.0], b=[2.0]), timeout=10.0)
    assert list(filtered.outputs) == ["sum"]
    bytes_back = predict(predicting("picture", image=[b"\x00\xff", b""]), timeout=10.0)
    assert tf.make_ndarray(bytes_back.outputs["image_bytes"]).tolist() == [b"\x00\xff", b""]
    assert tf.make_ndarray(bytes_back.outputs["size"]).tolist() == [2, 0]


def test_refusals(stubs: tuple[Any, Any]) -> None:
    predict = stubs[0].Predict
    assert refusal(predict, predicting("foo", x=[1.0])) == ("NOT_FOUND", "Servable not found for request: Latest(foo)")
    assert refusal(predict, predicting("half", version=9, x=[1.0])) == ("NOT_FOUND", "Servable not found for request: Specific(half, 9)")
    assert refusal(predict, predicting("half", label="nope", x=[1.0])) == ("INVALID_ARGUMENT", "Unrecognized servable version label: nope")
    assert refusal(predict, predicting("half", "nope", x=[1.0])) == ("FAILED_PRECONDITION", 'Serving signature key "nope" not found.')
    assert refusal(predict, predicting("", x=[1.0])) == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")
    assert refusal(predict, predicting("pair", a=[1.0])) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
    )
    assert refusal(predict, predicting("pair", a=[1.0], b=[1.0], c=[1.0])) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. Missing but required: {}.",
    )
    assert refusal(predict, predicting("pair", outputs=("sum", "sum"), a=[1.0], b=[2.0])) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: sum",
    )
    assert refusal(predict, predicting("half", outputs=("nope",), x=[1.0])) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: nope Outputs expected to be in the set {y}.",
    )


def test_status_and_metadata(stubs: tuple[Any, Any]) -> None:
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

    prediction, models = stubs
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refusal(models.GetModelStatus, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.name = "foo"
    assert refusal(models.GetModelStatus, request) == ("NOT_FOUND", "Could not find any versions of model foo")
    request.model_spec.name = "half"
    states = models.GetModelStatus(request, timeout=10.0).model_version_status
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert [(state.version, state.state) for state in states] == [(2, available), (1, available)]
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["weights"])
    asked.model_spec.name = "half"
    assert refusal(prediction.GetModelMetadata, asked) == ("INVALID_ARGUMENT", "Metadata field weights is not supported")
    del asked.metadata_field[:]
    message = "GetModelMetadataRequest must specify at least one metadata_field"
    assert refusal(prediction.GetModelMetadata, asked) == ("INVALID_ARGUMENT", message)
    asked.metadata_field.append("signature_def")
    answer = prediction.GetModelMetadata(asked, timeout=10.0)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "regress_x", "scores_x", "classify_x", "__saved_model_init_op"}
    assert answer.model_spec.version.value == 2


def test_classify_and_regress(stubs: tuple[Any, Any]) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import classification_pb2, regression_pb2

    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[20.0]))
    example = tf.train.Example(features=tf.train.Features(feature={"x": feature}))
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = "half", "classify_x"
    assert refusal(stubs[0].Classify, classify) == ("INVALID_ARGUMENT", "Input is empty.")
    classify.input.example_list.examples.append(example)
    (classes,) = stubs[0].Classify(classify, timeout=10.0).result.classifications
    assert [(each.label, each.score) for each in classes.classes] == [("half", 13.0), ("whole", 20.0)]
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name, regress.model_spec.signature_name = "half", "regress_x"
    regress.input.example_list_with_context.context.CopyFrom(example)
    regress.input.example_list_with_context.examples.extend([tf.train.Example(), tf.train.Example()])
    assert [each.value for each in stubs[0].Regress(regress, timeout=10.0).result.regressions] == [13.0, 13.0]
