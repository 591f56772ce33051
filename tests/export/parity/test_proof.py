from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from kvision_export.formats import FORMATS
from kvision_export.parity import gates, proof, runner, standin


@pytest.fixture(scope="module")
def proofs(subject, files, reference):
    return {name: proof.prove(subject, path, reference) for name, path in files.items()}


def test_fp32_holds_and_agrees(subject, proofs, reference) -> None:
    found = proofs["fp32"]
    assert found.examples == reference.count == 10
    assert found.metrics == pytest.approx(reference.metrics, abs=1e-6)
    assert found.agreement == 1.0
    assert found.differing == ()
    assert 0 < found.largest_share < 1e-5
    assert gates.judge(found, FORMATS["tflite-fp32"], subject.system.gates) == []


def test_every_figure_against_a_slow_loop(subject, files, proofs) -> None:
    """10 examples in batches of 4: the examples that fill up the last batch must not count."""
    opened, system, pipeline = runner.Runner(files["int8-full"]), subject.system, subject.session.pipeline
    differences, exacts, same, shares = [], [], 0, []
    for number in range(pipeline.num_val):
        image = subject.preprocess.normalise(pipeline.raw("val", number)["image"]).numpy()[None]
        exact = system.net(image, training=False).numpy()
        (found,) = opened.run("predict", {"image": image}).values()
        equal = exact.argmax(-1) == found.argmax(-1)
        differences.append(np.abs(found.astype(np.float64) - exact))
        exacts.append(exact)
        same += int(equal.sum())
        shares.append((equal.mean(), number))
    (error,) = proofs["int8-full"].errors.values()
    assert error.largest == pytest.approx(np.max(differences), rel=1e-4)
    assert error.mean == pytest.approx(np.mean(differences), rel=1e-4)
    assert error.range == pytest.approx(np.ptp(exacts), rel=1e-4)
    assert error.not_finite == 0
    assert proofs["int8-full"].agreement == pytest.approx(same / (10 * 32 * 32), abs=2e-4)
    assert proofs["int8-full"].differing[0] == min(shares)[1]
    assert proofs["int8-full"].examples == 10


def test_int8_with_and_without_float_edges_are_equally_good(proofs) -> None:
    assert proofs["int8"].metrics["miou"] == pytest.approx(proofs["int8-full"].metrics["miou"], abs=1e-3)


def _changed(subject, files, before=lambda image: image, after=lambda logits: logits):
    calls = standin.calls_of(runner.Pool(files["fp32"], 1), subject.system, "file")

    def predict(inputs):
        return {name: after(value) for name, value in calls["predict"]({"image": before(inputs["image"])}).items()}

    return {"predict": predict}


def test_a_file_that_gives_nan_fails_every_gate(subject, files, reference) -> None:
    found = proof.compare(subject, _changed(subject, files, after=lambda logits: np.where(logits > 0, np.nan, logits)), reference)
    assert found.not_finite > 0
    assert math.isnan(found.largest_share)
    for chosen in FORMATS.values():
        assert any("NaN or infinite" in failure for failure in gates.judge(found, chosen, {**subject.system.gates, "quantized": 100.0}))


def test_a_file_that_always_gives_zeros_is_far_off(subject, files, reference) -> None:
    found = proof.compare(subject, _changed(subject, files, after=np.zeros_like), reference)
    assert gates.judge(found, FORMATS["tflite-fp32"], subject.system.gates)
    assert found.not_finite == 0


def test_wrong_preprocessing_fails_the_fp32_gate(subject, files, reference) -> None:
    """0-255 in place of normalised values: the fault that users meet most."""
    found = proof.compare(subject, _changed(subject, files, before=lambda image: image * 58.0 + 120.0), reference)
    (failure,) = gates.judge(found, FORMATS["tflite-fp32"], subject.system.gates)
    assert "of its range, where 0.0001 is allowed" in failure
    assert found.agreement < 0.99


def test_a_metric_to_be_minimised_drops_upwards(subject, files, reference) -> None:
    from kvision.engine.system import Monitor

    system = subject.system.with_networks({})
    system.monitor = Monitor("loss", "min")
    other = dataclasses.replace(subject, session=dataclasses.replace(subject.session, system=system))
    found = proof.compare(other, _changed(subject, files, after=lambda logits: -logits), reference)
    assert found.metric == "loss"
    assert found.drop == pytest.approx(found.value - found.reference)
    assert found.drop > 0


def test_without_a_decision_there_is_no_agreement(subject, files, reference) -> None:
    system = subject.system.with_networks({})
    system.decision = ""
    other = dataclasses.replace(subject, session=dataclasses.replace(subject.session, system=system))
    found = proof.compare(other, standin.calls_of(runner.Pool(files["fp32"], 1), system, "file"), reference)
    assert found.agreement is None


def test_the_reference_is_the_runs_own_evaluation_or_says_why_not(subject, smoke_run) -> None:
    mine = dataclasses.replace(subject, run=smoke_run, origin=smoke_run)
    assert proof.refer(mine).note == ""
    file = smoke_run / "evaluation.json"
    values = json.loads(file.read_text())
    values["metrics"]["miou"] += 0.25
    file.write_text(json.dumps(values))
    assert f"the run recorded {values['metrics']['miou']:.6f}, for its data or the kernels of this machine differ" in proof.refer(mine).note
    environment = smoke_run / "environment.json"
    environment.write_text(json.dumps({**json.loads(environment.read_text()), "precision": "bf16"}))
    assert "it was trained and evaluated in bf16" in proof.refer(mine).note
