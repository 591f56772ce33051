from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.idx import Idx, Options
from tests.unit.data.test_idx import written


def put(folder, name, count=20, *, labels=None, end="-idx3-ubyte"):
    images = np.random.default_rng(count).integers(0, 256, (count, 9, 9)).astype(np.uint8)
    labels = np.arange(count) % 4 if labels is None else labels
    (folder / f"{name}-images{end}").write_bytes(written(images, 8))
    (folder / f"{name}-labels{end.replace('3', '1')}").write_bytes(written(labels.astype(np.uint8), 8))
    return images


def source(folder, **options):
    return Idx(Options(path=str(folder), **options), seed=0, base=Path())


def test_the_names_of_the_files_say_the_split(tmp_path):
    put(tmp_path, "train")
    test = put(tmp_path, "t10k", 8)
    one = source(tmp_path, val_split=0.4)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [12, 8, 8]
    assert one.split("test").labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    np.testing.assert_array_equal(one.split("test").read(tf.constant(5, tf.int64), frozenset({"image"}))["image"][..., 0], test[5])
    put(tmp_path, "emnist-validation", 4)
    assert source(tmp_path, classes=("a", "b", "c", "d")).info.class_names == ("a", "b", "c", "d")
    assert len(source(tmp_path).split("val")) == 4


def test_without_a_test_file_there_is_none_unless_asked_for(tmp_path):
    put(tmp_path, "train", end=".idx3-ubyte")
    with pytest.raises(DataError, match=r"data.source: idx has no test split; set data.test_split, such as 0.2"):
        source(tmp_path).split("test")
    assert len(source(tmp_path, test_split=0.2).split("test")) == 4


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"holds no IDX file of training images, such as train-images-idx3-ubyte.gz"):
        source(tmp_path).split("train")
    put(tmp_path, "train")
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="train-images-idx3-ubyte: there is no train-labels-idx1-ubyte beside it"):
        source(tmp_path).split("train")
    put(tmp_path, "train", labels=np.zeros(19))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: labels have the shape \[19\], images are 20"):
        source(tmp_path).split("train")
    put(tmp_path, "train")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress((tmp_path / "train-images-idx3-ubyte").read_bytes()))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress((tmp_path / "train-labels-idx1-ubyte").read_bytes()))
    with pytest.raises(DataError, match="train-images-idx3-ubyte is for train as well"):
        source(tmp_path).split("train")
    with pytest.raises(DataError, match="there is no folder"):
        source(tmp_path / "none").split("train")
