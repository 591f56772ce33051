"""gRPC through the stubs of tensorflow-serving-api: the same answers, codes and messages as REST."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from kvision_export.serving.server.examples import CLASSIFY, REGRESS
from tests.export.serving.messages import predicting
from tests.export.serving.server.asking import Site


@pytest.fixture
def channel(site: Site) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{site.server.grpc_port}") as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def models(channel: grpc.Channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(channel)


request = functools.partial(predicting, "half")


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code(), error.value.details()


MISSING = "not found in request and no default value provided. Inputs expected to be in the request"
X = np.array([1, 2], np.float32)


def test_predict(stub: Any) -> None:
    response = stub.Predict(request(x=X), timeout=10)
    assert tf.make_ndarray(response.outputs["y"]).tolist() == [3.5, 4.0]
    assert list(response.outputs["y"].float_val) == [3.5, 4.0]  # clients in C++ read the values where TF Serving puts them
    assert (response.model_spec.name, response.model_spec.version.value, response.model_spec.signature_name) == ("half", 2, "serving_default")
    for answer in (stub.Predict(request(version=1, x=X), timeout=10), stub.Predict(request(label="stable", x=X), timeout=10)):
        assert tf.make_ndarray(answer.outputs["y"]).tolist() == [2.5, 3.0]
        assert answer.model_spec.version.value == 1


def test_output_filter_and_dtypes(stub: Any) -> None:
    asked = request("several", x=X)
    assert sorted(stub.Predict(asked, timeout=10).outputs) == ["count", "name", "pairs", "png_bytes"]
    asked.output_filter.extend(["pairs", "name", "count"])
    outputs = {name: tf.make_ndarray(tensor) for name, tensor in stub.Predict(asked, timeout=10).outputs.items()}
    assert outputs["name"].tolist() == [b"1.000000", b"2.000000"]
    np.testing.assert_array_equal(outputs["pairs"], np.array([[1, -1], [2, -2]], np.float32), strict=True)
    np.testing.assert_array_equal(outputs["count"], np.array(2, np.int32), strict=True)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"signature": "nope", "x": X}, "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
        ({"version": 9, "x": X}, "NOT_FOUND", "Servable not found for request: Specific(half, 9)"),
        ({"label": "nope", "x": X}, "INVALID_ARGUMENT", "Unrecognized servable version label: nope"),
        ({"x": X.astype(np.float64)}, "INVALID_ARGUMENT", "Expects arg[0] to be float but double is provided"),
        ({}, "INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}."),
        (
            {"x": X, "z": X},
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
        ),
        (
            {"z": X},
            "INVALID_ARGUMENT",
            f"Signature input alias: x(feed name: serving_default_x:0) {MISSING} {{z}}, or default input alias set: ",
        ),
    ],
)
def test_requests_that_do_not_fit(stub: Any, change: dict[str, Any], code: str, message: str) -> None:
    assert refused(lambda: stub.Predict(request(**change), timeout=10)) == (grpc.StatusCode[code], message)


def test_filters_that_do_not_fit(stub: Any) -> None:
    asked = request(x=X)
    asked.output_filter.append("z")
    message = "output tensor alias not found in signature: z Outputs expected to be in the set {y}."
    assert refused(lambda: stub.Predict(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, message)
    asked.output_filter[:] = ["y", "y"]
    assert refused(lambda: stub.Predict(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: y")


def test_messages_without_a_model(stub: Any, models: Any) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert refused(lambda: stub.Predict(predict_pb2.PredictRequest(), timeout=10)) == (invalid, "Missing ModelSpec")
    assert refused(lambda: models.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(), timeout=10)) == (invalid, "Missing ModelSpec")
    asked = predict_pb2.PredictRequest()
    asked.model_spec.signature_name = "x"
    assert refused(lambda: stub.Predict(asked, timeout=10)) == (invalid, "ModelSpec has no name specified.")


def test_a_tensor_that_can_not_be_read(stub: Any) -> None:
    asked = request(x=X)
    asked.inputs["x"].tensor_content = b"\x00"
    assert refused(lambda: stub.Predict(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


def test_a_few_bytes_do_not_fill_the_memory(stub: Any) -> None:
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "half"
    asked.inputs["x"].dtype = tf.float32.as_datatype_enum
    asked.inputs["x"].tensor_shape.dim.add().size = 2**40
    asked.inputs["x"].float_val.append(1)
    assert refused(lambda: stub.Predict(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


def test_long_messages_are_cut(stub: Any) -> None:
    code, message = refused(lambda: stub.Predict(request("n" * 5000, x=X), timeout=10))
    assert (code, message) == (grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{"n" * 1001}...TRUNCATED')


def examples(message: Any, *values: float) -> Any:
    for value in values:
        example = message.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return message


def test_classify_and_regress(stub: Any) -> None:
    asked = examples(classification_pb2.ClassificationRequest(), 2, 8)
    asked.model_spec.name, asked.model_spec.signature_name = "half", "classify_x"
    result = stub.Classify(asked, timeout=10).result
    assert [[(each.label, each.score) for each in row.classes] for row in result.classifications] == [
        [("whole", 2), ("half", 1)],
        [("whole", 8), ("half", 4)],
    ]
    asked = examples(regression_pb2.RegressionRequest(), 80)
    asked.model_spec.name, asked.model_spec.signature_name = "half", "regress_x"
    assert [each.value for each in stub.Regress(asked, timeout=10).result.regressions] == [43]
    asked.input.Clear()
    assert refused(lambda: stub.Regress(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, "Input is empty.")
    asked.model_spec.signature_name = "nope"
    message = "No signature was found with the name: nope"
    assert refused(lambda: stub.Regress(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, message)


def test_multi_inference(stub: Any) -> None:
    asked = examples(inference_pb2.MultiInferenceRequest(), 2)
    for signature, method in (("classify_x", CLASSIFY), ("regress_x", REGRESS)):
        task = asked.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = "half", signature
    results = stub.MultiInference(asked, timeout=10).results
    assert [each.score for each in results[0].classification_result.classifications[0].classes] == [2, 1]
    assert results[1].regression_result.regressions[0].value == 4
    empty = inference_pb2.MultiInferenceRequest()
    assert refused(lambda: stub.MultiInference(empty, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
    asked.tasks[1].model_spec.signature_name = "classify_x"
    assert refused(lambda: stub.MultiInference(asked, timeout=10)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Duplicate evaluation of signature: classify_x",
    )


def test_metadata_and_status(stub: Any, models: Any) -> None:
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "half"
    response = stub.GetModelMetadata(asked, timeout=10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].dtype == tf.float32.as_datatype_enum
    asked.metadata_field[:] = ["graph"]
    assert refused(lambda: stub.GetModelMetadata(asked, timeout=10)) == (grpc.StatusCode.INVALID_ARGUMENT, "Metadata field graph is not supported")
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "half"
    found = models.GetModelStatus(status, timeout=10).model_version_status
    assert [(each.version, each.state, each.status.error_code) for each in found] == [(2, 30, 0), (1, 30, 0)]
    status.model_spec.name = "other"
    assert refused(lambda: models.GetModelStatus(status, timeout=10)) == (grpc.StatusCode.NOT_FOUND, "Could not find any versions of model other")


def test_the_client_s_deadline_and_the_limit_of_a_message(stub: Any) -> None:
    assert refused(lambda: stub.Predict(request("spin", x=X), timeout=0.2))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused(lambda: stub.Predict(request(x=np.zeros(100_000, np.float32)), timeout=10))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_reloading_the_configuration(serve: Callable[..., Site], base: Path) -> None:
    site = serve()
    with grpc.insecure_channel(f"127.0.0.1:{site.server.grpc_port}") as channel:
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        asked = model_management_pb2.ReloadConfigRequest()
        for name in ("half", "twin"):
            asked.config.model_config_list.config.add(name=name, base_path=str(base), model_platform="tensorflow")
        assert models.HandleReloadConfigRequest(asked, timeout=10).status.error_code == 0
        assert site.predict('{"instances": [1.0]}', "/v1/models/twin:predict")[0] == 200
        asked.config.model_config_list.config[1].version_labels["next"] = 7
        message = "Request to assign label to version 7 of model twin, which is not currently available for inference"
        assert refused(lambda: models.HandleReloadConfigRequest(asked, timeout=10)) == (grpc.StatusCode.FAILED_PRECONDITION, message)
        asked.config.model_config_list.config[1].name = "half"
        code, message = refused(lambda: models.HandleReloadConfigRequest(asked, timeout=10))
        assert (code, message) == (grpc.StatusCode.INVALID_ARGUMENT, "Illegal to list model half multiple times in config list")
        del asked.config.model_config_list.config[1]
        models.HandleReloadConfigRequest(asked, timeout=10)
        assert site.predict('{"instances": [1.0]}', "/v1/models/twin:predict")[0] == 404
        assert site.predict('{"instances": [1.0]}')[0] == 200
        code, message = refused(lambda: models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), timeout=10))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
