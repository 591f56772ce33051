"""The whole way from a picture to an answer is that of the graph, on files with int8, uint8, int16 and float edges."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

import kvision_edge
from kvision.data import decode, preprocess, tiling
from kvision.ops import decoding
from kvision_edge.errors import BundleError
from kvision_edge.postprocess import attention
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

    def step(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        rows = [network["step"](token[n : n + 1], states["state"][n : n + 1], states["features"][n : n + 1]) for n in range(len(token))]
        found = {name: tf.concat([row[name] for row in rows], axis=0) for name in rows[0]}
        return found.pop("logits"), found

    first = network["encode"](theirs.normalise(theirs.resize(tf.constant(PICTURE))[0])[None])
    tokens, log_probability, extras = decoding.search(step, first, decoding.Rules(**settings))
    assert answer.tokens == tuple(tuple(int(token) for token in row if token) for row in tokens[0].numpy())
    np.testing.assert_allclose(answer.log_probabilities, log_probability[0], atol=1e-4)
    assert answer.text().splitlines() == [" ".join(tiny.VOCABULARY[token] for token in row if token > 2) for row in answer.tokens]
    looked = extras["alpha"][0, 0, : len(answer.pieces)]
    np.testing.assert_allclose(answer.attention, looked, atol=1e-5)
    told = answer.to_json()
    assert (told["caption"], len(told["others"])) == (answer.sentences[0], 1)
    assert [each["piece"] for each in told["looked_at"]] == told["caption"].split()
    np.testing.assert_allclose([each["shares"] for each in told["looked_at"]], looked, atol=1e-4)
    assert answer.pictures(PICTURE)["attention"].width == attention.TILE_PX * min(len(answer.pieces), attention.COLUMNS)


def test_a_vocabulary_is_the_one_that_was_exported(captioning: Path, tmp_path: Path) -> None:
    other = shutil.copytree(captioning, tmp_path / "other")
    (other / "vocabulary.json").write_text((captioning / "vocabulary.json").read_text().replace("dog", "cat"))
    with pytest.raises(BundleError, match=r"vocabulary\.json: is not the file that was exported"):
        kvision_edge.load(other)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
def test_tensorflows_own_interpreter_gives_the_same(segmentation: Path) -> None:
    ours, theirs = (kvision_edge.load(segmentation, format="fp32", interpreter=name).predict(PICTURE) for name in ("tensorflow", "ai-edge-litert"))
    np.testing.assert_array_equal(ours.classes, theirs.classes)
    plain = kvision_edge.load(segmentation, format="fp32", interpreter="tensorflow", xnnpack=False).predict(PICTURE)
    assert np.mean(plain.classes == ours.classes) > 0.99
