from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kvision_edge.manifest import Tensor
from kvision_export.errors import ExportError
from kvision_export.parity import runner


def test_quantizing_by_hand() -> None:
    tensor = Tensor((1, 4), "int8", (0.5,), (10,))
    real = np.array([[0.0, 1.2, -100.0, 100.0]], np.float32)
    stored = runner.quantize(real, tensor)
    assert stored.dtype == np.int8
    assert stored.tolist() == [[10, 12, -128, 127]]
    assert runner.dequantize(stored, tensor).tolist() == [[0.0, 1.0, -69.0, 58.5]]


def test_one_scale_for_each_channel() -> None:
    tensor = Tensor((1, 2, 2), "int8", (1.0, 0.1), (0, 5), axis=2)
    stored = runner.quantize(np.array([[[3.0, 0.3], [4.0, -0.4]]], np.float32), tensor)
    assert stored.tolist() == [[[3, 8], [4, 1]]]
    np.testing.assert_allclose(runner.dequantize(stored, tensor), [[[3.0, 0.3], [4.0, -0.4]]], rtol=1e-6)


def test_what_is_not_quantized_keeps_its_values() -> None:
    assert runner.dequantize(np.array([1.5], np.float16), Tensor((1,), "float16")).dtype == np.float32
    assert runner.dequantize(np.array([7], np.int64), Tensor((1,), "int64")).dtype == np.int64


def test_a_batch_through_a_file_for_one_picture_equals_keras(subject, files) -> None:
    images = np.random.default_rng(0).standard_normal((3, 32, 32, 3)).astype(np.float32)
    expected = subject.system.net(images, training=False).numpy()
    for opened in (runner.Runner(files["fp32"]), runner.Pool(files["fp32"], 2)):
        assert opened.signatures["predict"].inputs["image"] == Tensor((1, 32, 32, 3), "float32")
        (found,) = opened.run("predict", {"image": images}).values()
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


def test_a_file_for_full_batches_takes_any_number(subject, tmp_path) -> None:
    from kvision_export.formats import FORMATS
    from kvision_export.tflite import convert

    path = convert.convert(subject, FORMATS["tflite-fp32"], tmp_path / "two.tflite", batch=2).path
    images = np.random.default_rng(0).standard_normal((3, 32, 32, 3)).astype(np.float32)
    (found,) = runner.Runner(path).run("predict", {"image": images}).values()
    expected = subject.system.net(images, training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


def test_full_int8_is_quantized_at_its_edges_and_dequantized(subject, files) -> None:
    opened = runner.Runner(files["int8-full"])
    tensor = opened.signatures["predict"].inputs["image"]
    assert tensor.dtype == "int8"
    assert len(tensor.scale) == 1
    image = subject.preprocess.normalise(subject.session.pipeline.raw("val", 0)["image"]).numpy()[None]
    (real,) = opened.run("predict", {"image": image}).values()
    (raw,) = opened.run_raw("predict", {"image": runner.quantize(image, tensor)}).values()
    (output,) = opened.signatures["predict"].outputs.values()
    assert raw.dtype == np.int8
    np.testing.assert_array_equal(real, runner.dequantize(raw, output))
    exact = subject.system.net(image, training=False).numpy()
    assert np.abs(real - exact).mean() < 0.1 * np.ptp(exact)


def test_outputs_are_copies(files) -> None:
    opened = runner.Runner(files["fp32"])
    (first,) = opened.run_raw("predict", {"image": np.zeros((1, 32, 32, 3), np.float32)}).values()
    kept = first.copy()
    opened.run_raw("predict", {"image": np.ones((1, 32, 32, 3), np.float32)})
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"these are no weights", "is no LiteRT file, or a damaged one"),
        (lambda content: b"", "is no LiteRT file, or a damaged one"),
        (lambda content: content[:5000], "is no LiteRT file, or a damaged one"),
        (lambda content: b"\x1c\0\0\0TFL3" + b"\0" * 100, "is no LiteRT file, or a damaged one"),
    ],
    ids=["text", "empty", "cut", "hollow"],
)
def test_damaged_files_are_named(files, tmp_path: Path, damage, reason) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damage(files["fp32"].read_bytes()))
    with pytest.raises(ExportError, match=rf"damaged\.tflite: {reason}.*export it again"):
        runner.Runner(path)


def test_an_op_that_the_runtime_does_not_have(files, tmp_path: Path) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(files["fp32"].read_bytes(), 0)
    for code in model.operatorCodes:
        code.version = 99
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "newer.tflite"
    path.write_bytes(builder.Output())
    with pytest.raises(ExportError, match=r"newer\.tflite: needs an operation that the LiteRT installed here does not have .*update ai-edge-litert"):
        runner.Runner(path)


def test_wrong_calls_are_explained(files, tmp_path: Path) -> None:
    opened = runner.Runner(files["fp32"])
    with pytest.raises(ExportError, match="has no signature encode; it has predict"):
        opened.run("encode", {})
    with pytest.raises(ExportError, match="predict takes image, got picture"):
        opened.run_raw("predict", {"picture": np.zeros((1, 32, 32, 3), np.float32)})
    with pytest.raises(ExportError, match=r"predict fails on image float64"):
        opened.run_raw("predict", {"image": np.zeros((1, 32, 32, 3), np.float64)})
    with pytest.raises(ExportError, match="can't be loaded as a SavedModel"):
        runner.open_file(tmp_path)
