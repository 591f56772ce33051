"""The whole way from a picture to an answer is that of the graph, on files with int8, uint8, int16 and float edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

import kvision_edge
from kvision.data import decode, preprocess, tiling
from kvision_edge.postprocess.captioning import Caption
from kvision_edge.postprocess.segmentation import Segmentation
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.random.default_rng(4).integers(0, 256, (50, 77, 3), np.uint8)


@pytest.mark.parametrize("name", [pytest.param(name, id=name.removeprefix("tflite-")) for name in tiny.KINDS])
def test_masks_are_those_of_the_graph_fed_with_the_same_file(segmentation: Path, pictures: dict[str, list[Path]], name: str) -> None:
    model = kvision_edge.load(segmentation, format=name)
    assert model.runner.signatures["predict"].inputs["image"].dtype == tiny.KINDS[name]
    theirs = preprocess.Preprocess(tiny.SIZE_PX, "resize", tiny.MEAN, tiny.STD)
    different = pixels = 0
    for path in [paths[0] for paths in pictures.values()]:
        image = decode.rgb(path)
        logits = model.runner("predict", {"image": theirs.normalise(theirs.resize(tf.constant(image))[0])[None].numpy()})["logits"]
        expected = tf.argmax(theirs.restore(tf.nn.softmax(logits)[0], *image.shape[:2]), axis=-1).numpy()
        answer = model.predict(path)
        assert isinstance(answer, Segmentation)
        different += int((answer.classes != expected).sum())
        pixels += expected.size
    # Only TensorFlow's exp differs from numpy's, by the last bit: classes whose probabilities are equal but for that bit may change.
    assert different <= 1e-5 * pixels


@pytest.mark.parametrize(("size", "stride"), [((50, 77), 1), ((70, 110), 8), ((20, 90), 4), ((9, 7), 1), ((32, 32), 16)])
def test_pictures_that_keep_their_resolution_are_tiled_as_kvision_predict_tiles_them(bundle: Path, size: tuple[int, int], stride: int) -> None:
    tiny.changed(bundle, preprocess={"fit": "crop"}, decode={"stride_px": stride})
    model = kvision_edge.load(bundle, format="fp32")
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)

    def network(tiles: np.ndarray) -> np.ndarray:
        return np.concatenate([tf.nn.softmax(model.runner("predict", {"image": tile[None]})["logits"]) for tile in tiles])

    normalised = preprocess.Preprocess(tiny.SIZE_PX, "crop", tiny.MEAN, tiny.STD).normalise(image).numpy()
    expected = np.concatenate(list(tiling.strips(normalised, network, tiling.Tiling(tiny.SIZE_PX, tiny.SIZE_PX // 4, stride)))).argmax(-1)
    answer = model.predict(image)
    assert isinstance(answer, Segmentation)
    assert answer.classes.shape == size
    assert (answer.classes != expected).sum() <= 1  # the last bit of exp


def test_a_captioner_says_what_a_search_with_tensorflow_says(captioning: Path) -> None:
    model = kvision_edge.load(captioning)
    answer = model.predict(PICTURE)
    assert isinstance(answer, Caption)
    network, settings = tiny.captioner(), model.manifest.decode
    theirs = preprocess.Preprocess(tiny.SIZE_PX, "resize", tiny.MEAN, tiny.STD)
    start = network["encode"](theirs.normalise(theirs.resize(tf.constant(PICTURE))[0])[None])["state"]
    beams = [((), 0.0, False, start)]
    for _ in range(settings["max_length"]):
        found = [beam for beam in beams if beam[2]]
        for words, total, _, state in [beam for beam in beams if not beam[2]]:
            given = network["step"](tf.constant([words[-1] if words else settings["start"]]), state)
            values = tf.nn.log_softmax(given["logits"])[0].numpy()
            for token, value in enumerate(values):
                done = token == settings["end"]
                found.append((words if done else (*words, token), total + float(value), done, given["state"]))
        beams = sorted(found, key=lambda beam: -beam[1])[: settings["beam"]]
    assert answer.tokens == beams[0][0]
    assert answer.log_probability == pytest.approx(beams[0][1], abs=1e-4)
    assert answer.text() == " ".join(tiny.VOCABULARY[token] for token in answer.tokens)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
def test_tensorflows_own_interpreter_gives_the_same(segmentation: Path) -> None:
    ours, theirs = (kvision_edge.load(segmentation, format="fp32", interpreter=name).predict(PICTURE) for name in ("tensorflow", "ai-edge-litert"))
    np.testing.assert_array_equal(ours.classes, theirs.classes)
    plain = kvision_edge.load(segmentation, format="fp32", interpreter="tensorflow", xnnpack=False).predict(PICTURE)
    assert np.mean(plain.classes == ours.classes) > 0.99
