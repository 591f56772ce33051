from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources import fashion_mnist
from kvision.data.sources.fashion_mnist import DEBIAN, FashionMnist, Options
from tests.unit.data.test_idx import written


def source(**options):
    return FashionMnist(Options(**options), seed=0, base=Path())


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_debians_files():
    one = source(size_px=28)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [55_000, 5_000, 10_000]
    assert one.report()["class_counts"] == {"train": [5500] * 10, "val": [500] * 10, "test": [1000] * 10}
    assert one.report()["folder"] == str(DEBIAN)
    with gzip.open(DEBIAN / "t10k-images-idx3-ubyte.gz") as file:
        assert struct.unpack(">4I", file.read(16)) == (2051, 10_000, 28, 28)
        first = np.frombuffer(file.read(784), np.uint8).reshape(28, 28)
    example = one.split("test").read(tf.constant(0, tf.int64), frozenset({"image", "label"}))
    np.testing.assert_array_equal(example["image"][..., 2], first)
    assert one.info.class_names[int(example["label"])] == "Ankle boot"


def small(folder, train=60, test=30):
    folder.mkdir(exist_ok=True)
    for name, count in (("train", train), ("t10k", test)):
        labels = np.arange(count, dtype=np.uint8) % 10
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(written(np.zeros((count, 28, 28), np.uint8), 8)))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(written(labels, 8)))


def test_other_data_is_not_taken_for_it(tmp_path):
    small(tmp_path / "a")
    with pytest.raises(DataError, match=r"holds 30 examples, Fashion-MNIST's test 10000; use data.source: idx for it"):
        source(path=str(tmp_path / "a")).split("train")


def test_keras_cache_is_read_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr(fashion_mnist, "_SIZES", {"train": 60, "test": 30})
    small(tmp_path / "fashion-mnist")
    asked = []

    def get_file(name, *, origin, cache_subdir):
        asked.append((name, origin, cache_subdir))
        return str(tmp_path / "fashion-mnist" / name)

    monkeypatch.setattr("keras.utils.get_file", get_file)
    assert len(source(val_size=20).split("train")) == 40
    assert len(asked) == 4
    assert asked[0][1] == "https://storage.googleapis.com/tensorflow/tf-keras-datasets/train-images-idx3-ubyte.gz"

    def offline(name, *, origin, cache_subdir):
        raise Exception(f"URL fetch failure on {origin}: None -- no route")

    shutil.rmtree(tmp_path / "fashion-mnist")
    monkeypatch.setattr("keras.utils.get_file", offline)
    with pytest.raises(DataError, match=r"apt install dataset-fashion-mnist.*connect to the network.*data.path"):
        source().split("train")
