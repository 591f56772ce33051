"""Systems whose networks take no pictures: every file, its proof, its sample and its requests, by the declared signatures alone."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision_edge import manifest, verification
from kvision_edge.bundle import Bundle
from kvision_export import flow, formats, lite, samples
from kvision_export.parity import latency, pictures, proof, runner
from kvision_export.saved_model import publish, served, warmup
from kvision_export.saved_model.native import Native
from kvision_export.tflite import calibration
from tests.export import vectors

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject

WANTED = "savedmodel,tflite-fp32,tflite-dynamic,tflite-int8"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return vectors.agent(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def bundle(agent: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's bundle; not to be changed."""
    out = tmp_path_factory.mktemp("bundles") / "agent"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "measure", functools.partial(latency.measure, threads=(1,), budget_s=0.0))
        result = flow.export(agent, formats.parse([WANTED]), out, lite.Options(calibration=50), lambda what: None)
    assert not result.failed, result
    return out


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return vectors.generator(tmp_path_factory.mktemp("runs"))


def test_every_file_of_an_agent_is_proven(bundle: Path) -> None:
    made = manifest.read(bundle)
    assert {each.format for each in made.files} == set(WANTED.split(","))
    assert (made.task, made.preprocess, made.labels) == ("policy", None, vectors.ACTIONS)
    assert made.decode["policy"] == "categorical"
    for each in made.files:
        assert each.metrics["accuracy"] >= 0.99
        assert each.metrics["return"] == pytest.approx(made.metrics["return"], abs=0.02), "episodes are played by the file itself"
        assert each.proof["agreement"] >= 0.99
        assert each.proof["examples"] == 100
    page = (bundle / "report.html").read_text()
    assert page.count("data:image/png") == 8, "four observations as Keras and as the file chosen act on them"


def test_the_sample_is_an_observation(bundle: Path, agent: Subject) -> None:
    made = manifest.read(bundle)
    assert not (bundle / "sample" / samples.PICTURE).exists()
    with np.load(bundle / made.sample_input) as file:
        np.testing.assert_array_equal(file["observation"], agent.examples("val", [0]))
    for each in made.files[:-1]:
        assert each.sample is not None
        opened = runner.Runner(bundle / each.path)
        tensor = each.signatures["predict"].inputs["observation"]
        found = opened.run_raw("predict", {"observation": runner.quantize(agent.examples("val", [0]), tensor)})
        with np.load(bundle / each.sample.outputs) as stored:
            np.testing.assert_array_equal(found["logits"], stored["logits"])


def test_a_device_accepts_an_agent_s_bundle(bundle: Path) -> None:
    checks = list(verification.verify(Bundle(bundle)))
    assert [check for check in checks if not check.ok] == []
    assert sum(check.what.endswith(".tflite") for check in checks) >= 3


def test_an_agent_is_served_by_what_its_network_takes(bundle: Path, agent: Subject) -> None:
    folder = bundle / "saved_model" / "agent" / "1"
    assert {(each.signature, *each.inputs) for each in warmup.read(folder)} == {
        (signature, "observation") for signature in (served.DEFAULT, served.TENSOR)
    }
    observations = agent.examples("val", range(7))
    model = Native(folder)
    found = model.run({"observation": observations})
    model.close()
    assert found["action"].tolist() == [int(agent.session.pipeline.raw("val", number)["action"]) for number in range(7)]
    np.testing.assert_allclose(found["value"], agent.system.net(observations)["value"], atol=1e-5)
    page = (bundle / "saved_model" / "README.md").read_text()
    assert "`observation` float32 [B, 6]" in page
    assert "image" not in page


def test_calibration_is_of_observations_that_validation_does_not_have(agent: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = calibration.choose(agent, 20)
    np.testing.assert_array_equal(chosen.inputs["predict"]["observation"], agent.examples("train", chosen.indices))
    assert chosen.shared == ()
    pipeline = agent.session.pipeline
    mixed = {name: pipeline._splits[name]["observation"].copy() for name in ("train", "val")}
    mixed["train"][chosen.indices[0]] = mixed["val"][3]
    monkeypatch.setattr(pipeline, "_splits", {name: {"observation": values} for name, values in mixed.items()})
    assert calibration.choose(agent, 20).shared == (f"train/{chosen.indices[0]}",)


def test_a_generator_is_fed_with_what_the_system_makes_of_an_example(generator: Subject, tmp_path: Path) -> None:
    given = generator.given(generator.examples("val", range(3)))
    noise = given.reshape(3, -1)[:, :16]
    assert (generator.field, generator.direct, generator.takes_pictures) == ("image", False, False)
    np.testing.assert_array_equal(calibration.calls(generator, given)["predict"]["noise"], noise)
    folder = publish.publish(generator, tmp_path)
    model = Native(folder)
    found = model.run({"noise": noise})
    model.close()
    expected = generator.system.net(noise).numpy()
    np.testing.assert_allclose(found["picture"], expected, atol=1e-5)
    assert {(each.signature, *each.inputs) for each in warmup.read(folder)} == {(signature, "noise") for signature in (served.DEFAULT, served.TENSOR)}
    reference = proof.refer(generator)
    found_proof = proof.prove(generator, folder, reference)
    assert (found_proof.agreement, found_proof.examples) == (None, 8)
    assert found_proof.largest_share < 1e-5
    assert found_proof.drop == pytest.approx(0, abs=1e-6)
    (pair,) = pictures.draw(generator, {"savedmodel": folder}, [0])
    assert pair.sources["Keras"] == pair.sources["savedmodel"]


def test_what_is_compared_is_what_the_file_says(generator: Subject) -> None:
    def off(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"picture": generator.system.net(tf.constant(inputs["noise"])).numpy() + 0.5}

    found = proof.compare(generator, {"predict": off}, proof.refer(generator))
    assert found.errors["predict/picture"].largest == pytest.approx(0.5, abs=1e-5)
