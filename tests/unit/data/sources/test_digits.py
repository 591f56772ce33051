from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from kvision.data.pipeline import Pipeline
from kvision.data.sources.digits import Digits, Options


def source(**options):
    return Digits(Options(**options), seed=0, base=Path())


def test_all_digits_are_there_once():
    one = source()
    splits = {name: one.split(name) for name in ("train", "val", "test")}
    assert {name: len(split) for name, split in splits.items()} == {"train": 1079, "val": 359, "test": 359}
    numbers = sorted(int(name.removeprefix("digits/")) for split in splits.values() for name in split.names)
    assert numbers == list(range(1797))
    data = load_digits()
    for split in splits.values():
        number = int(split.names[7].removeprefix("digits/"))
        example = split.read(tf.constant(7, tf.int64), frozenset({"image", "label"}))
        np.testing.assert_array_equal(example["image"][..., 1], np.rint(data.images[number] * 255 / 16))
        assert int(example["label"]) == split.labels[7] == data.target[number]
    assert one.info.fields == {"image", "label"}
    assert one.info.class_names == tuple("0123456789")
    assert len(set(one.info.palette)) == 10


def test_the_report_says_which_examples_are_where():
    one = source(train_size=30, val_size=20)
    report = one.report()
    assert report["class_counts"]["train"] == [3] * 10
    assert report["class_counts"]["val"] == [2] * 10
    assert report["files"]["train"].startswith("digits: ")
    assert report["split"] == "test and val drawn by the hash of each name within its class, seed 0"
    few = source(per_class=2).report()
    assert few["class_counts"]["train"] == [2] * 10
    assert few["split"].endswith("seed 0; of train 2 of each class, by the hash of each name, seed 0")
    assert source(split_seed=1).split("val").names != source().split("val").names
    assert source().split("val").names == source().split("val").names


def test_batches_of_the_very_digits_and_of_scaled_ones():
    fields = frozenset({"image", "label"})
    for size, vectorised in ((8, True), (16, False)):
        one = source(size_px=size, batch=32, train_size=64, val_size=32)
        pipeline = Pipeline(one, one.options, fields, seed=0)
        batch = next(iter(pipeline.val()))
        assert batch["image"].shape == (32, size, size, 3)
        np.testing.assert_array_equal(batch["label"], one.split("val").labels)
        assert one.split("val").in_memory is vectorised
        raw = pipeline.raw("val", 0)
        if size == 8:
            np.testing.assert_array_equal(raw["image"], one.split("val").read(tf.constant(0, tf.int64), fields)["image"])
