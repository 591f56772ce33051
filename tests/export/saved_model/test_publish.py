from __future__ import annotations

import io
import os

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from PIL import Image
from ruamel.yaml import YAML

from kvision_export.errors import ExportError
from kvision_export.saved_model import configs, publish, served, versions, warmup


@pytest.fixture
def quick(monkeypatch):
    """Publishing without the model itself, for what happens around it."""

    def save(subject, folder) -> None:
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"model")

    monkeypatch.setattr(served, "save", save)
    monkeypatch.setattr(warmup, "record", lambda subject: [])
    monkeypatch.setattr(warmup, "replay", lambda folder: {served.DEFAULT: ["ok"]})


def test_the_next_integer_is_the_version(subject, tmp_path, quick):
    base = tmp_path / subject.name
    for name in ("v1", "0.1", "7", "notes"):
        (base / name).mkdir(parents=True)
    (base / "12").touch()  # a file is no version
    assert publish.publish(subject, tmp_path) == base / "8"
    assert publish.publish(subject, tmp_path, 3) == base / "3"
    assert publish.publish(subject, tmp_path).name == "9"
    for version in (8, 0):
        with pytest.raises(ExportError, match=rf"version {version} of .*: accepted is a whole number from 1 on .*taken are 3, 7, 8, 9"):
            publish.publish(subject, tmp_path, version)
    assert not [path.name for path in base.iterdir() if path.name.startswith(".")]


def test_an_interruption_leaves_no_version(subject, tmp_path, quick, monkeypatch):
    def interrupted(folder) -> None:
        assert (folder / "saved_model.pb").exists()
        assert versions.found(folder.parent) == {}
        raise KeyboardInterrupt

    monkeypatch.setattr(warmup, "replay", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish.publish(subject, tmp_path)
    assert list((tmp_path / subject.name).iterdir()) == []


def test_what_a_killed_export_left_is_no_version_and_is_swept(subject, tmp_path, quick):
    base = tmp_path / subject.name
    dead, alive = base / ".tmp-4-99999999", base / f".tmp-5-{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    assert publish.publish(subject, tmp_path).name == "1"
    assert (dead.exists(), alive.exists()) == (False, True)


def test_a_bad_warm_up_record_is_not_published(published, tmp_path):
    requests = warmup.read(published)
    broken = warmup.Request("predict_image", {"image": np.zeros((1, 3, 3, 4), np.uint8)})
    blank = warmup.Request("serving_default", {"image_bytes": np.array([b"no picture"], object)})
    for bad, message in [(broken, "TF Serving would not load"), (blank, "a picture of the validation split is not ok")]:
        copy = tmp_path / bad.signature
        copy.mkdir()
        for name in ("saved_model.pb", "variables"):
            (copy / name).symlink_to(published / name)
        warmup.write(copy, [requests[0], bad], "unet")
        with pytest.raises(ExportError, match=message):
            warmup.replay(copy)


def test_warm_up_records_are_what_tf_serving_reads(published, subject):
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    found = {}
    for record in tf.data.TFRecordDataset(str(published / warmup.PATH)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == subject.name
        ((name, tensor),) = request.inputs.items()
        found.setdefault(request.model_spec.signature_name, {})[tensor.tensor_shape.dim[0].size] = (name, tf.make_ndarray(tensor))
    assert {signature: sorted(sizes) for signature, sizes in found.items()} == {
        signature: list(warmup.BATCHES) for signature in ("serving_default", "predict_image", "predict_tensor")
    }
    name, files = found["serving_default"][16]
    kinds = [Image.open(io.BytesIO(data)).format for data in files]
    assert (name, kinds[:2]) == ("image_bytes", ["PNG", "JPEG"])
    np.testing.assert_array_equal(Image.open(io.BytesIO(files[0])), subject.session.pipeline.raw("val", 0)["image"])
    name, tensors = found["predict_tensor"][2]
    np.testing.assert_allclose(tensors[1], subject.preprocess.normalise(subject.session.pipeline.raw("val", 1)["image"]), atol=1e-6)


def test_large_inputs_are_recorded_in_small_batches(subject, monkeypatch):
    side = subject.preprocess.size_px
    monkeypatch.setattr(warmup, "MOST_BYTES", 12 * side * side * 3)  # twelve pictures in uint8, three in float32
    batches = {}
    for request in warmup.record(subject):
        batches.setdefault(request.signature, []).append(request.batch)
    assert batches["predict_image"] == [1, 2, 4, 8]
    assert batches["predict_tensor"] == [1, 2]


def test_files_to_serve_with(published, subject):
    folder = published.parent.parent
    models = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2").ModelServerConfig()
    text_format.Parse((folder / configs.MODELS).read_text(), models)
    (entry,) = models.model_config_list.config
    assert (entry.name, entry.base_path, entry.model_platform) == (subject.name, f"/models/{subject.name}", "tensorflow")
    batching = parsed((folder / configs.BATCHING).read_text(), "max_batch_size batch_timeout_micros max_enqueued_batches num_batch_threads")
    assert batching.max_batch_size.value == max(warmup.BATCHES)
    assert batching.num_batch_threads.value > 0
    compose = YAML(typ="safe").load(folder / configs.COMPOSE)["services"]["serving"]
    assert compose["ports"] == ["8501:8501", "8500:8500"]
    for option in compose["command"]:
        _, _, path = option.partition("/models/")
        assert not path or (folder / path).is_file()
    assert f"'GET /v1/models/{subject.name} HTTP/1.0\\r\\n\\r\\n'" in compose["healthcheck"]["test"][-1]
    page = (folder / configs.README).read_text()
    for line in (f"localhost:8501/v1/models/{subject.name}:predict", "base64 -w0 example.png", '"mask_bytes": ...', "/metadata"):
        assert line in page


def parsed(text: str, names: str):
    """A text proto with wrapped numbers; tensorflow-serving-api does not hold the message of session_bundle_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="here", syntax="proto3")
    value = file.message_type.add(name="Value")
    value.field.add(name="value", number=1, type=descriptor_pb2.FieldDescriptorProto.TYPE_INT64, label=1)
    message = file.message_type.add(name="Parameters")
    for number, name in enumerate(names.split(), start=1):
        message.field.add(name=name, number=number, type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, type_name=".here.Value", label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return text_format.Parse(text, message_factory.GetMessageClass(pool.FindMessageTypeByName("here.Parameters"))())


def test_a_users_own_files_stay(subject, tmp_path, quick):
    (tmp_path / "other" / "2").mkdir(parents=True)
    (tmp_path / configs.COMPOSE).write_text("mine")
    publish.publish(subject, tmp_path)
    assert (tmp_path / configs.COMPOSE).read_text() == "mine"
    assert '"/models/other"' in (tmp_path / configs.MODELS).read_text()
