"""The choice of calibration images."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kvision.engine.system import System
from kvision_export.errors import ExportError
from kvision_export.tflite import calibration

if TYPE_CHECKING:
    from kvision_export.subject import Subject


def test_training_images_through_the_evaluation_transform(subject: Subject) -> None:
    chosen, pipeline = calibration.choose(subject, 12), subject.session.pipeline
    assert len(chosen.names) == len(set(chosen.indices)) == 12
    images = chosen.inputs["predict"]["image"]
    for place, index in enumerate(chosen.indices):
        assert chosen.names[place] == pipeline.name("train", index)
        np.testing.assert_array_equal(images[place], pipeline.preprocess.normalise(pipeline.raw("train", index)["image"]))


def test_the_choice_is_seeded_and_written_down(subject: Subject) -> None:
    chosen = calibration.choose(subject, 12)
    again = calibration.choose(subject, 12)
    assert (chosen.indices, chosen.sha256) == (again.indices, again.sha256)
    written = json.loads(json.dumps(chosen.to_json()))
    assert (written["split"], written["count"], written["seed"], written["sha256"]) == ("train", 12, 0, chosen.sha256)
    low, high = written["ranges"]["predict"]["image"]
    assert (low, high) == (chosen.inputs["predict"]["image"].min(), chosen.inputs["predict"]["image"].max())


def test_rare_classes_are_chosen_as_often_as_can_be() -> None:
    found = {index: frozenset({0, 1} if index % 10 == 0 else {0}) for index in range(40)}
    chosen = calibration._balanced(found, 8)
    assert len(chosen) == len(set(chosen)) == 8
    assert {index for index in chosen if index % 10 == 0} == {0, 10, 20, 30}


@pytest.mark.parametrize(
    ("example", "classes"),
    [
        ({"mask": np.array([[0, 255], [3, 3]], np.uint8)}, {0, 3}),
        ({"labels": np.array([2, -1], np.int32), "mask": np.zeros((2, 2))}, {2}),
        ({"captions": np.array([b"a"])}, set()),
        ({"label": np.int32(2)}, frozenset({2})),
        ({"targets": np.array([0.0, 1.0, 0.0, 1.0])}, frozenset({1, 3})),
    ],
)
def test_classes_of_an_example(example: dict[str, np.ndarray], classes: set[int]) -> None:
    assert calibration._classes(example) == classes


def _with_validation_images(subject: Subject, monkeypatch: pytest.MonkeyPatch, indices: list[int]) -> None:
    pipeline = subject.session.pipeline
    raw = [calibration._hash(pipeline.raw("train", index)["image"]) for index in indices]
    monkeypatch.setattr(calibration, "_validation_hashes", lambda subject: raw)


def test_images_that_validation_has_too_are_left_out(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    first = calibration.choose(subject, 6)
    _with_validation_images(subject, monkeypatch, list(first.indices[:2]))
    second = calibration.choose(subject, 6)
    assert set(second.shared) == set(first.names[:2])
    assert not set(second.indices) & set(first.indices[:2])
    _with_validation_images(subject, monkeypatch, list(range(subject.session.pipeline.num_train)))
    with pytest.raises(ExportError, match=r"is a validation example too; .* mend the splits"):
        calibration.choose(subject, 6)


def test_validation_is_known_by_its_pixels(subject: Subject) -> None:
    pipeline = subject.session.pipeline
    known = list(calibration._validation_hashes(subject))
    assert all(calibration._hash(pipeline.raw("val", index)["image"]) in known for index in range(pipeline.num_val))


class _Twice:
    """A system of two networks, one of which is called three times a picture."""

    def __init__(self, net: Any) -> None:
        self.networks = {"first": net, "step": net}

    with_networks = System.with_networks

    def signatures(self) -> dict[str, str]:
        return {"encode": "first", "step": "step"}

    def predict_step(self, image: Any) -> dict[str, Any]:
        self.networks["first"](image, training=False)
        for time in range(3):
            self.networks["step"](image + time, training=False)
        return {}


def test_inputs_of_every_network_are_recorded_while_the_system_predicts(subject: Subject) -> None:
    session = copy.copy(subject.session)
    object.__setattr__(session, "system", _Twice(subject.system.net))
    images = calibration.choose(subject, 4).inputs["predict"]["image"]
    found = calibration.calls(replace(subject, session=session), images)
    np.testing.assert_array_equal(found["encode"]["image"], images)
    assert found["step"]["image"].shape == images.shape
    np.testing.assert_allclose(found["step"]["image"][0], images[0])
    np.testing.assert_allclose(found["step"]["image"][-1], images[-1] + 2)
