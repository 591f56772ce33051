from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.commands import predict
from kvision.engine import dense
from kvision_export.errors import ExportError
from kvision_export.saved_model import native, served
from kvision_export.subject import Subject
from tests.export.saved_model.conftest import file, mask, pixels

CRAFTED = {
    "plain.png": file(64, 64),
    "odd.jpg": file(77, 131, "JPEG", quality=83),
    "tall.jpg": file(203, 5, "JPEG"),
    "grey.jpg": file(40, 50, "JPEG", "L"),
    "cmyk.jpg": file(40, 50, "JPEG", "CMYK"),
    "see-through.png": file(33, 44, "PNG", "RGBA"),
    "palette.bmp": file(33, 44, "BMP", "P"),
    "first.gif": file(50, 30, "GIF", "P", save_all=True, append_images=[Image.fromarray(pixels(50, 30)[::-1]).convert("P")]),
    "web.webp": file(30, 50, "WEBP"),
    "one.png": file(1, 1),
    "square.png": file(32, 32),
}
BAD = {
    "nothing": b"",
    "text": b"<!doctype html>",
    "cut.jpg": CRAFTED["odd.jpg"][:900],
    "cut.png": CRAFTED["plain.png"][:200],
    "bomb.png": CRAFTED["plain.png"][:16] + b"\x7f\xff\xff\xff" * 2 + CRAFTED["plain.png"][24:],
    "bomb.gif": CRAFTED["first.gif"][:6] + b"\xff\xff" * 2 + CRAFTED["first.gif"][10:],
}


def turned(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return file(21, 34, "JPEG", exif=tags)


@pytest.fixture(scope="module")
def model(published):
    return tf.saved_model.load(str(published))


@pytest.fixture(scope="module")
def crop_model(crop_subject, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crop") / "model"
    served.save(crop_subject, folder)
    return tf.saved_model.load(str(folder))


def answers(model, files: list[bytes]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.signatures["serving_default"](image_bytes=tf.constant(files, tf.string)).items()}


def predicted(run, files: dict[str, bytes], folder) -> list[np.ndarray]:
    """The masks that `kvision predict` writes."""
    (folder / "in").mkdir()
    for name, data in files.items():
        (folder / "in" / name).write_bytes(data)
    predict.run(run, [str(folder / "in" / name) for name in files], out=folder / "out")
    found = json.loads((folder / "out" / "predictions.json").read_text())["images"]
    return [mask((folder / "out" / each["mask"]).read_bytes()) for each in found]


def test_each_weight_is_stored_once(published, subject):
    weights = [variable.value for variable in subject.system.net.weights]
    stored = [shape for name, shape in tf.train.list_variables(str(published / "variables" / "variables")) if not name.startswith("_CHECKPOINTABLE")]
    assert sorted(stored) == sorted(weight.shape.as_list() for weight in weights)
    numbers = sum(weight.shape.num_elements() for weight in weights)
    # Of the file, the names of the tensors are the rest: 0.1% for the network of the recipe.
    assert 0 < (published / "variables" / "variables.data-00000-of-00001").stat().st_size - 4 * numbers < 128 * (len(weights) + 1)
    labels = (published / "assets" / "labels.txt").read_text().splitlines()
    assert tuple(labels) == subject.session.pipeline.info.class_names


def test_inputs_and_outputs_have_names_and_any_batch(model):
    for name, inputs in [("serving_default", "image_bytes"), ("predict_image", "image"), ("predict_tensor", "image")]:
        signature = model.signatures[name]
        assert list(signature.structured_input_signature[1]) == [inputs]
        assert all(spec.shape[0] is None for spec in signature.structured_outputs.values())
    assert set(model.signatures["serving_default"].structured_outputs) == {"ok", "mask_bytes", "class_names", "class_shares"}


@pytest.mark.parametrize("kind", ["resize", "crop"])
def test_the_masks_are_those_of_predict(kind, request, model, tmp_path):
    run = request.getfixturevalue("trained_once" if kind == "resize" else "crop_run")
    loaded = model if kind == "resize" else request.getfixturevalue("crop_model")
    files = CRAFTED | {f"turned{orientation}.jpg": turned(orientation) for orientation in range(1, 9)}
    if kind == "crop":  # what keeps its resolution is traced for each size
        files = {name: files[name] for name in ("odd.jpg", "grey.jpg", "see-through.png", "one.png", "turned6.jpg")}
    found, expected = answers(loaded, list(files.values())), predicted(run, files, tmp_path)
    assert found["ok"].all()
    for data, other, shares in zip(found["mask_bytes"], expected, found["class_shares"], strict=True):
        np.testing.assert_array_equal(mask(data), other)
        np.testing.assert_allclose(shares, np.bincount(other.ravel(), minlength=len(shares)) / other.size, atol=1e-6)
    assert len(np.unique(np.concatenate([other.ravel() for other in expected]))) > 2


def test_pictures_too_large_for_full_resolution_are_shrunk_alike(subject, trained_once, monkeypatch, tmp_path):
    from kvision.data import preprocess

    monkeypatch.setattr(preprocess, "MOST_VALUES", 11 * 40 * 50)
    function = served.make(subject)[1]["serving_default"]
    files = {"wide.png": file(90, 120)}
    found = function(image_bytes=tf.constant(list(files.values())))["mask_bytes"].numpy()
    np.testing.assert_array_equal(mask(found[0]), predicted(trained_once, files, tmp_path)[0])


def test_bad_pictures_spoil_nobody(model):
    good = CRAFTED["odd.jpg"]
    found, alone = answers(model, [good, *BAD.values(), good]), answers(model, [good])
    assert found["ok"].tolist() == [True, *[False] * len(BAD), True]
    for place in (0, -1):
        assert found["mask_bytes"][place] == alone["mask_bytes"][0]
    for place in range(1, 1 + len(BAD)):
        assert found["mask_bytes"][place] == b""
        assert not found["class_shares"][place].any()
        assert set(found["class_names"][place]) == {b""}


def test_an_empty_batch_has_an_empty_answer(model, crop_model, subject):
    classes = subject.session.pipeline.info.num_classes
    for each in (model, crop_model):
        found = answers(each, [])
        assert {name: value.shape for name, value in found.items()} == {
            "ok": (0,),
            "mask_bytes": (0,),
            "class_names": (0, classes),
            "class_shares": (0, classes),
        }
    side = subject.preprocess.size_px
    found = model.signatures["predict_tensor"](image=tf.zeros([0, side, side, 3]))
    assert found["classes"].shape == (0, side, side)
    for shape, count in [([0, 9, 9, 3], 0), ([2, 0, 9, 3], 2), ([1, 9, 0, 3], 1)]:
        found = model.signatures["predict_image"](image=tf.zeros(shape, tf.uint8))
        assert found["ok"].numpy().tolist() == [False] * count


def test_decoded_pictures_have_the_same_answers(model, crop_model):
    for each in (model, crop_model):
        found = each.signatures["predict_image"](image=tf.constant(np.stack([pixels(50, 77)] * 2)))
        expected = answers(each, [file(50, 77)])
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name][1], value[0])


def test_what_predict_would_tile_is_refused(crop_subject, monkeypatch):
    monkeypatch.setattr(dense, "WHOLE_PX", 40 * 50)
    function = served.make(crop_subject)[1]["serving_default"]
    found = function(image_bytes=tf.constant([file(40, 50), file(40, 51)]))
    assert found["ok"].numpy().tolist() == [True, False]


def test_tensors_go_through_the_network(model, subject):
    side = subject.preprocess.size_px
    image = np.random.default_rng(0).normal(size=(3, side, side, 3)).astype(np.float32)
    found = model.signatures["predict_tensor"](image=tf.constant(image))
    expected = subject.system.predict_step(tf.constant(image))
    assert set(found) == {"classes", "probabilities", *subject.system.net.output_names}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6)
    np.testing.assert_allclose(found[subject.system.net.output_names[0]], subject.system.net(image), atol=1e-5)


class Agent:
    """A system that takes no pictures: what it needs of a `System`."""

    dense = False
    fields = frozenset({"state", "goal"})
    given = "state"

    def __init__(self) -> None:
        state, goal = keras.Input([5], name="state"), keras.Input([2], name="goal")
        x = keras.layers.Dense(4)(keras.layers.Concatenate()([state, goal]))
        actor = keras.Model([state, goal], {"action": keras.layers.Dense(3)(x), "value": keras.layers.Dense(1)(x)}, name="actor")
        memory = keras.Input([3], name="memory")
        self.networks = {"actor": actor, "step": keras.Model(memory, keras.layers.Dense(3, name="next")(memory))}
        self.recipe = SimpleNamespace(system="rl/agent")

    def signatures(self) -> dict[str, str]:
        return {"predict": "actor", "step": "step"}


def subject_of(system) -> Subject:
    return Subject(SimpleNamespace(system=system), Path("run"), Path("run"), "best", "agent")


def test_systems_without_pictures_and_with_several_networks():
    system = Agent()
    found = served.make(subject_of(system))[1]
    assert sorted(found) == ["predict_tensor", "serving_default", "step"]
    state, goal = tf.ones([3, 5]), tf.zeros([3, 2])
    expected = system.networks["actor"]([state, goal])
    for name in ("serving_default", "predict_tensor"):
        for output, value in found[name](state=state, goal=goal).items():
            np.testing.assert_allclose(value, expected[output], atol=1e-6)
    assert found["step"](memory=tf.ones([2, 3]))["next"].shape == (2, 3)


def test_a_signature_of_a_taken_name():
    system = Agent()
    system.signatures = lambda: {"predict": "actor", "predict_image": "step"}
    with pytest.raises(ExportError, match="predict_image, which is taken"):
        served.make(subject_of(system))


def test_answers_that_do_not_stack(subject, monkeypatch):
    def answer(self, output, preprocess, height, width):
        return {"mask": tf.zeros([height, width])}

    monkeypatch.setattr(type(subject.system), "answer", answer)
    with pytest.raises(ExportError, match=r"`mask` is \(None, None\).*encode it as bytes"):
        served.make(subject)


ELSEWHERE = """
import sys, numpy as np
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("kvision"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import tensorflow as tf
found = tf.saved_model.load(sys.argv[1]).signatures["serving_default"](image_bytes=tf.constant([open(sys.argv[2], "rb").read()]))
mask = np.frombuffer(found["mask_bytes"][0].numpy(), np.uint8)
np.savez(sys.argv[3], mask=mask, shares=found["class_shares"], names=found["class_names"].numpy().astype(str))
"""


@pytest.mark.slow  # as in the next one, where there is no Python of ours at all
def test_it_loads_where_kvision_is_not(published, model, tmp_path):
    (tmp_path / "a.jpg").write_bytes(CRAFTED["odd.jpg"])
    command = [sys.executable, "-I", "-c", ELSEWHERE, str(published), str(tmp_path / "a.jpg"), str(tmp_path / "out.npz")]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    found, expected = np.load(tmp_path / "out.npz"), answers(model, [CRAFTED["odd.jpg"]])
    assert found["mask"].tobytes() == expected["mask_bytes"][0]
    np.testing.assert_array_equal(found["shares"], expected["class_shares"])
    assert found["names"][0].tolist() == [name.decode() for name in expected["class_names"][0]]


NATIVE = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as ended:
    assert not ended.code
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras", "kvision", "kvision_export")))
"""


def test_tensorflows_own_loader_gives_keras_answers(published, subject, tmp_path):
    files = [CRAFTED["odd.jpg"], b"", CRAFTED["plain.png"]]
    np.savez(tmp_path / "request.npz", **native.pack({"image_bytes": np.array(files, object)}))
    command = [sys.executable, "-I", "-c", NATIVE, native.__file__, str(published), str(tmp_path / "request.npz"), str(tmp_path / "out.npz")]
    done = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    found = native.unpack(dict(np.load(tmp_path / "out.npz")))
    assert found["ok"].tolist() == [True, False, True]
    for place, data in [(0, files[0]), (2, files[2])]:
        with Image.open(io.BytesIO(data)) as picture:
            image = np.asarray(picture.convert("RGB"))
        square, _ = subject.preprocess.resize(tf.constant(image))
        probabilities = tf.nn.softmax(subject.system.net(subject.preprocess.normalise(square)[None], training=False))[0]
        classes = tf.argmax(subject.preprocess.restore(probabilities, *image.shape[:2]), -1).numpy()
        assert found["mask_bytes"][place] == tf.io.encode_png(classes.astype(np.uint8)[..., None]).numpy()
        np.testing.assert_allclose(found["class_shares"][place], np.bincount(classes.ravel(), minlength=11) / classes.size, atol=1e-6)
