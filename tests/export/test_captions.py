"""A captioner from the graph to devices and servers: every file says the sentences that Keras says."""

from __future__ import annotations

import functools
import io
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kvision_edge
from kvision_edge import cli, manifest, verification
from kvision_edge.bundle import Bundle
from kvision_edge.postprocess.captioning import Caption
from kvision_export import flow, formats, lite
from kvision_export.parity import latency, layers, proof
from kvision_export.saved_model import served, warmup
from kvision_export.saved_model.native import Native
from kvision_export.tflite import calibration, flatbuffer
from tests.export import captions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject

WANTED = "savedmodel,tflite-fp32,tflite-dynamic,tflite-int8-full"


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return captions.captioner(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def bundle(captioner: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The captioner's bundle; not to be changed."""
    out = tmp_path_factory.mktemp("bundles") / "captioner"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "measure", functools.partial(latency.measure, threads=(1,), budget_s=0.0))
        result = flow.export(captioner, formats.parse([WANTED]), out, lite.Options(calibration=20, runtime="2.14"), lambda what: None)
    assert not result.failed, result
    return out


@pytest.fixture(scope="module")
def said(captioner: Subject) -> dict[str, np.ndarray]:
    """What Keras says of all validation pictures."""
    pictures = captioner.given(captioner.examples("val", range(captioner.session.pipeline.num_val)))
    return {name: value.numpy() for name, value in tf.function(captioner.system.predict_step)(pictures).items()}


def png(subject: Subject, number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(subject.examples("val", [number])[0]).save(file, "PNG")
    return file.getvalue()


def test_every_file_decodes_the_whole_split_and_says_what_keras_says(bundle: Path) -> None:
    made = manifest.read(bundle)
    assert {each.format for each in made.files} == set(WANTED.split(","))
    assert (made.task, made.metrics["right"], made.decode["beam"], made.decode["forbidden"]) == ("captioning", 1.0, 2, (3,))
    for each in made.files:
        assert set(each.signatures) >= {"step"}
        assert each.proof["examples"] == 60
        assert each.proof["identical"] >= 0.95
        assert each.proof["agreement"] >= each.proof["identical"]
        assert each.metrics["right"] >= 0.95
    told = {each["format"]: each for each in json.loads((bundle / "proof.json").read_text())["files"]}
    assert told["tflite-fp32"]["identical"] == told["savedmodel"]["identical"] == 1.0
    assert {"encode/features", "step/logits", "step/alpha", "step/h"} <= set(told["tflite-dynamic"]["errors"])
    assert f"{100 * told['tflite-dynamic']['identical']:.1f} %" in (bundle / "report.html").read_text()


def test_a_device_says_the_tokens_that_keras_says_and_looks_where_it_looks(bundle: Path, captioner: Subject, said: dict[str, np.ndarray]) -> None:
    assert captions.VOCABULARY.save(bundle.parent).read_bytes() == (bundle / "vocabulary.json").read_bytes()
    assert "vocabulary.json" in manifest.read(bundle).checksums
    model = kvision_edge.load(bundle, format="fp32")
    for number in range(20):
        answer = model.predict(png(captioner, number))
        assert isinstance(answer, Caption)
        tokens = said["tokens"][number]
        assert answer.tokens == (tuple(tokens[tokens != 0]),)
        assert answer.sentences == (captions.VOCABULARY.decode(tokens),)
        np.testing.assert_allclose(answer.attention, said["alpha"][number, : len(answer.pieces)], atol=1e-5)
        assert answer.log_probabilities[0] == pytest.approx(said["log_probability"][number], abs=1e-5)


def test_the_command_of_a_device_prints_the_sentence(bundle: Path, captioner: Subject, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "photo.png"
    picture.write_bytes(png(captioner, 0))
    sentence = captions.VOCABULARY.decode(captioner.session.pipeline.raw("val", 0)["tokens"])
    assert cli.main(["run", str(bundle), str(picture), "--out", str(tmp_path / "out")]) == 0
    assert sentence in capsys.readouterr().out
    assert (tmp_path / "out" / "photo.attention.png").is_file()
    (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    assert (entry["caption"], entry["looked_at"][1]["piece"]) == (sentence, sentence.split()[1])
    assert entry["attention"] == "photo.attention.png"
    assert cli.main(["verify", str(bundle)]) == 0


def test_a_device_is_told_where_its_steps_differ(bundle: Path, tmp_path: Path) -> None:
    other = shutil.copytree(bundle, tmp_path / "other")
    path = other / "sample" / "dynamic.npz"
    with np.load(path) as file:
        np.savez(path, **{**file, "step|logits": file["step|logits"] + 3})
    told = {check.what: check for check in verification.verify(Bundle(other)) if check.what.endswith("on the sample")}
    assert [what for what, check in told.items() if not check.ok] == ["tflite-dynamic on the sample"]
    assert "differs by 3 where" in told["tflite-dynamic on the sample"].detail


def test_a_server_takes_files_and_gives_sentences(bundle: Path, captioner: Subject, said: dict[str, np.ndarray]) -> None:
    folder = bundle / "saved_model" / "captioner" / "1"
    model = Native(folder)
    found = model.run({"image_bytes": [png(captioner, 3), b"no picture", png(captioner, 8)]})
    none = model.run({"image_bytes": np.empty([0], object)})
    model.close()
    assert set(model.signatures) == {served.DEFAULT, served.IMAGE, served.TENSOR, "step"}
    assert found["ok"].tolist() == [True, False, True]
    assert found["caption"].tolist() == [
        captions.VOCABULARY.decode(said["tokens"][3]).encode(),
        b"",
        captions.VOCABULARY.decode(said["tokens"][8]).encode(),
    ]
    assert none["caption"].shape == (0,)
    assert {each.signature for each in warmup.read(folder)} >= {served.DEFAULT}


def test_steps_are_calibrated_on_what_the_search_asks(captioner: Subject) -> None:
    inputs = calibration.choose(captioner, 12).inputs
    assert inputs["encode"]["image"].shape == (12, captions.SIDE, captions.SIDE, 3)
    step = inputs["step"]
    assert set(step) == {"token", "features", "h", "c"}
    assert step["token"].dtype == np.int32
    assert captions.START in step["token"]
    assert max(step["token"]) >= captions.VOCABULARY.encode("top")[0], "from the first word to the last"


def test_layers_are_ranked_where_an_op_leaves_its_bias_out(bundle: Path, captioner: Subject) -> None:
    exact, coarse = (bundle / f"captioner-{name}.tflite" for name in ("fp32", "int8-full"))
    assert any(-1 in op.inputs for graph in flatbuffer.parse(exact.read_bytes()).subgraphs for op in graph.operators)
    ranked = layers.rank(exact, coarse, calibration.choose(captioner, 4).inputs, examples=4)
    assert {each.signature for each in ranked} == {"encode", "step"}
    assert all(0 <= each.added <= 1 for each in ranked)


def test_captions_whose_tokens_are_the_same_are_counted_whole(captioner: Subject, said: dict[str, np.ndarray]) -> None:
    red, dark = (captions.VOCABULARY.encode(word)[0] for word in ("red", "blue"))
    asked = []

    def step(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        asked.append(len(inputs["token"]))
        found = {name: value.numpy() for name, value in captioner.system.networks["step"](inputs).items()}
        logits = found["logits"].copy()
        logits[:, dark] = np.maximum(logits[:, dark], logits[:, red] + 1)
        logits[:, red] = -30
        return {**found, "logits": logits}

    def encode(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in captioner.system.net(inputs["image"]).items()}

    found = proof.compare(captioner, {"encode": encode, "step": step}, proof.refer(captioner))
    share = float(np.mean(np.any(said["tokens"] == red, axis=1)))
    assert 0.1 < share < 0.6
    assert found.identical == pytest.approx(1 - share)
    assert found.agreement == pytest.approx(1 - share / (captions.LENGTH + 1)), "one token of each"
    assert (found.metric, found.drop) == ("right", pytest.approx(share))
    assert found.errors["encode/features"].largest == 0
    assert found.errors["step/logits"].largest > 1
    assert asked == [60, *[120] * captions.LENGTH], "each step once for both sentences of the beams, though Keras and the judge ask, too"
