"""Weights to begin with: what fits is taken, what is optional may differ, everything else is an error that changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy as safetensors

from kvision.core.errors import RunError, UsageError
from kvision.data.sources.digits import Options
from kvision.engine import pretrained

HEAD = ("net/logits/",)


def network(classes: int = 3, width: int = 4) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(width, 3, name="conv")(image)
    return keras.Model(image, keras.layers.Dense(classes, name="logits")(keras.layers.GlobalAveragePooling2D()(x)), name="some")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    network().save(folder / "model.keras")
    (folder / "data.json").write_text(json.dumps({"preprocess": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}))
    return folder


def test_a_run_gives_all_weights_and_its_colours(run: Path) -> None:
    net = network()
    given = pretrained.read(run)
    assert pretrained.put({"net": net}, given) == []
    for ours, theirs in zip(net.get_weights(), keras.saving.load_model(run / "model.keras").get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    made = given.preprocess(Options(size_px=16))
    assert made is not None
    assert (made.size_px, made.mean, made.std) == (16, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_a_file_elsewhere_tells_no_colours(run: Path, tmp_path: Path) -> None:
    (run / "model.keras").rename(tmp_path / "other.keras")
    assert pretrained.read(tmp_path / "other.keras").preprocess(Options()) is None


def test_what_is_optional_keeps_its_random_start_where_it_does_not_fit(run: Path) -> None:
    net = network(classes=5)
    head = net.get_layer("logits").get_weights()
    assert pretrained.put({"net": net}, pretrained.read(run, HEAD)) == ["net/logits/kernel", "net/logits/bias"]
    for ours, before in zip(net.get_layer("logits").get_weights(), head, strict=True):
        np.testing.assert_array_equal(ours, before)


def test_what_does_not_fit_is_told_and_nothing_is_written(run: Path) -> None:
    net = network(width=6)
    before = net.get_weights()
    with pytest.raises(RunError, match=r"3 weights of 4 can't be had from it: net/conv/kernel \[3, 3, 3, 6\] \(there \[3, 3, 3, 4\]\)"):
        pretrained.put({"net": net}, pretrained.read(run))
    for ours, old in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, old)


def test_tensors_by_name_are_read_as_float32_and_whole_numbers_as_they_are(tmp_path: Path) -> None:
    half = np.array([0.5, 2.0])
    values = {"net/conv/bias": half.astype(np.float16), "net/conv/kernel": half.astype(ml_dtypes.bfloat16), "other": np.array([3], np.int64)}
    safetensors.save_file(values, tmp_path / "some.safetensors")
    given = pretrained.read(tmp_path / "some.safetensors", HEAD)
    assert {name: value.tolist() for name, value in given.values.items()} == {
        "net/conv/bias": [0.5, 2.0],
        "net/conv/kernel": [0.5, 2.0],
        "other": [3],
    }
    assert [given.values[name].dtype.name for name in values] == ["float32", "float32", "int64"]
    assert (given.colour, given.optional, given.origin) == (None, HEAD, str(tmp_path / "some.safetensors"))


def test_a_checkpoint_s_tensors_are_the_weights_alone_and_the_run_tells_the_colours(run: Path) -> None:
    folder = run / "checkpoints" / "step-00000007"
    folder.mkdir(parents=True)
    values = {"net/net/conv/bias": np.ones(2, np.float32), "train/step": np.array(7), "train/net/0/0000": np.zeros(3, np.float32)}
    safetensors.save_file(values, folder / "state.safetensors")
    given = pretrained.read(folder / "state.safetensors")
    assert {name: value.tolist() for name, value in given.values.items()} == {"net/conv/bias": [1.0, 1.0]}
    assert given.colour == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_a_checkpoint_s_tensors_that_were_copied_elsewhere_tell_no_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    safetensors.save_file({"net/net/conv/bias": np.ones(2, np.float32), "train/step": np.array(7)}, tmp_path / "state.safetensors")
    monkeypatch.chdir(tmp_path)
    given = pretrained.read(Path("state.safetensors"))  # fewer folders above it than a checkpoint has
    assert (list(given.values), given.colour) == (["net/conv/bias"], None)


def test_a_damaged_file_of_tensors_is_told(tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(RunError, match=r"model.weights: .*cut.safetensors can't be read as safetensors: .*; is it whole\? copy or download it again"):
        pretrained.read(tmp_path / "cut.safetensors")
    (tmp_path / "cut.pth").write_bytes(b"\x80\x02")
    with pytest.raises(RunError, match=r"cut.pth is no PyTorch checkpoint that kvision reads"):
        pretrained.read(tmp_path / "cut.pth")
    (tmp_path / "some.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"some.onnx is no .keras, .safetensors or .pth file"):
        pretrained.read(tmp_path / "some.onnx")


def test_what_is_no_run_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty holds no model.keras: is it a run folder"):
        pretrained.read(tmp_path / "empty")
    with pytest.raises(UsageError, match=r"rum does not exist; did you mean .*run"):
        pretrained.read(tmp_path / "rum")
    (run / "model.keras").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(RunError, match=r"model.keras can't be loaded by Keras"):
        pretrained.read(run)


def test_a_model_that_brings_code_is_refused(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: 2 * x)]).save(tmp_path / "code.keras")
    with pytest.raises(RunError, match=r"code\.keras can't be loaded by Keras: .*(?i:lambda|unsafe)"):
        pretrained.read(tmp_path / "code.keras")
