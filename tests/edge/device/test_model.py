"""A model as it is used: quantized and float files, many pictures, threads, inputs that do not fit."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

import kvision_edge
from kvision_edge import capture, interpreter, manifest, quantization
from kvision_edge.errors import PictureError, RunnerError, UsageError
from kvision_edge.model import Model
from kvision_edge.postprocess.segmentation import Segmentation
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.random.default_rng(4).integers(0, 256, (50, 77, 3), np.uint8)


def test_quantized_files_agree_with_the_float_one(segmentation: Path) -> None:
    answers = {name: kvision_edge.load(segmentation, format=name).predict(PICTURE) for name in tiny.KINDS}
    masks = {name: answer.classes for name, answer in answers.items() if isinstance(answer, Segmentation)}
    assert all(mask.shape == PICTURE.shape[:2] for mask in masks.values())
    assert len(np.unique(masks["tflite-fp32"])) > 1
    shares = {name: float((mask == masks["tflite-fp32"]).mean()) for name, mask in masks.items()}
    assert shares["tflite-int16x8-full"] > 0.98
    assert min(shares.values()) > 0.9


def test_quantization_by_hand_and_along_a_dimension() -> None:
    one = manifest.Tensor((4,), "int8", (0.5,), (3,))
    np.testing.assert_array_equal(quantization.stored(np.array([0.0, 1.0, 100.0, -0.74]), one), [3, 5, 127, 2])
    np.testing.assert_array_equal(quantization.real(np.array([3, 5], np.int8), one), [0.0, 1.0])
    rows = manifest.Tensor((2, 2), "int16", (1.0, 0.1), (0, 0), 0)
    np.testing.assert_array_equal(quantization.stored(np.ones((2, 2), np.float32), rows), [[1, 1], [10, 10]])
    np.testing.assert_allclose(quantization.real(np.ones((2, 2), np.int16), rows), [[1, 1], [0.1, 0.1]])


def test_many_pictures_in_order_and_a_bad_one_concerns_itself_alone(segmentation: Path) -> None:
    model = kvision_edge.load(segmentation)
    images = {f"{number}": np.full((20 + number, 30, 3), 8 * number, np.uint8) for number in range(25)}
    images["7"] = np.zeros((3, 3))  # no picture
    outcomes = list(model.predict_many(images, images.__getitem__))
    assert [outcome.given for outcome in outcomes] == list(images)
    assert [outcome.given for outcome in outcomes if outcome.error] == ["7"]
    assert isinstance(outcomes[7].error, PictureError)
    for outcome in outcomes[:7] + outcomes[8:]:
        np.testing.assert_array_equal(outcome.answer.classes, model.predict(images[outcome.given]).classes)


def test_an_endless_source_is_taken_from_as_needed(segmentation: Path) -> None:
    taken = []

    def frames() -> object:
        while True:
            taken.append(PICTURE)
            yield PICTURE

    source = kvision_edge.load(segmentation).predict_many(frames(), lambda frame: frame)
    assert [next(source).error for _ in range(3)] == [None] * 3
    source.close()
    assert len(taken) < 12


def test_threads_share_a_model(segmentation: Path) -> None:
    model = kvision_edge.load(segmentation)
    images = [np.random.default_rng(n).integers(0, 256, (40, 40 + n, 3), np.uint8) for n in range(4)]
    expected = [model.predict(image).classes for image in images]
    wrong = []

    def work(number: int) -> None:
        wrong.extend(number for _ in range(30) if not np.array_equal(model.predict(images[number]).classes, expected[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_newest_frame_is_kept_and_the_others_dropped() -> None:
    gate = threading.Event()

    def frames() -> object:
        yield from range(5)
        gate.wait(5)

    newest = capture.Latest(frames())
    while newest.dropped < 4:
        pass
    assert next(newest) == 4
    gate.set()
    assert list(newest) == []


def test_an_error_of_the_camera_reaches_who_asks_for_frames() -> None:
    def frames() -> object:
        yield 1
        raise RunnerError("unplugged")

    newest = capture.Latest(frames())
    with pytest.raises(RunnerError, match="unplugged"):
        list(newest)


def test_without_an_interpreter_the_message_says_what_to_install(segmentation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])

    monkeypatch.setattr(interpreter.importlib, "import_module", nothing)
    with pytest.raises(RunnerError, match=r"no LiteRT interpreter here; install one: `pip install ai-edge-litert`"):
        interpreter.find()


def test_the_next_interpreter_is_taken_and_a_broken_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        if name.startswith("ai_edge"):
            raise ImportError("numpy.core.multiarray failed to import")
        if name.startswith("tflite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="tflite_runtime")
        return sys

    monkeypatch.setattr(interpreter.importlib, "import_module", broken)
    assert interpreter.find().name == "tensorflow"
    with pytest.raises(RunnerError, match=r"ai-edge-litert is installed but can't be loaded \(numpy.core"):
        interpreter.find("ai-edge-litert")


def test_what_can_t_be_decoded_concerns_that_input_alone(segmentation: Path) -> None:
    model = kvision_edge.load(segmentation, format="fp32")
    arrays = {"image": np.zeros((1, 32, 32, 3), np.float32)}
    first, second, third = model.predict_many([PICTURE, arrays, PICTURE], read=lambda each: each)
    assert first.error is None
    assert second.answer is None
    assert second.error is not None
    np.testing.assert_array_equal(third.answer.classes, first.answer.classes)


@pytest.mark.parametrize(
    "reason", ["Didn't find op for builtin opcode 'GELU'", "Op builtin_code out of range: 210. Are you using old TFLite binary?"]
)
def test_a_missing_operation_is_advised_upon_however_the_runtime_writes_it(reason: str) -> None:
    assert interpreter._advice(reason).startswith("it lacks that operation: upgrade it")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"threads": 0}, "threads 0: accepted is 1 or more"), ({"interpreter": "onnx"}, "accepted are ai-edge-litert, tflite-runtime")],
)
def test_options_that_do_not_fit(segmentation: Path, options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Model(segmentation, **options)


def test_inputs_that_do_not_fit_are_named(segmentation: Path) -> None:
    runner = kvision_edge.load(segmentation, format="fp32").runner
    with pytest.raises(UsageError, match="has no signature serve; it has predict"):
        runner("serve", {})
    with pytest.raises(UsageError, match="predict takes image, got picture"):
        runner("predict", {"picture": PICTURE})
    with pytest.raises(UsageError, match=r"image of predict must be \[1, 32, 32, 3\], got \[50, 77, 3\]"):
        runner("predict", {"image": PICTURE.astype(np.float32)})
