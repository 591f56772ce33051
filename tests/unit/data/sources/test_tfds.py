"""A data set in TFDS' own layout (checked against tensorflow-datasets 4.9.10), and what is said where the package or the network is missing."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.tfds import Options, Tfds, prepared
from tests.unit.data.class_folders import COLOURS, picture
from tests.unit.data.sources.test_tfrecord import encoded, shard


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))


def source(root, **options):
    return Tfds(Options(**options), seed=0, base=root)


def write(folder, name, **counts):
    folder.mkdir(parents=True)
    (folder / "features.json").write_text("{}")
    (folder / "label.labels.txt").write_text("\n".join(COLOURS) + "\n")
    for split, count in counts.items():
        rows = [([encoded(picture(tuple(COLOURS)[n % 3], n))], [n % 3]) for n in range(count)]
        shard(folder / f"{name}-{split}.tfrecord-00000-of-00001", rows, keys=("image", "label"))


def test_what_is_prepared_is_read_without_the_package(tmp_path):
    write(tmp_path / "tiny/1.0.0", "tiny", train=3)
    write(tmp_path / "tiny/1.10.0", "tiny", train=12, validation=6, test=3)
    (tmp_path / "tiny/1.11.0.incomplete").mkdir()
    one = source(tmp_path, name="tiny")
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [12, 6, 3]
    assert one.info.class_names == tuple(COLOURS)
    example = one.split("val").read(tf.constant(4, tf.int64), frozenset({"image", "label"}))
    assert int(example["label"]) == 1
    np.testing.assert_array_equal(example["image"], picture("dog", 4))
    assert prepared(tmp_path, "tiny:1.0.0") == tmp_path / "tiny/1.0.0"
    assert prepared(tmp_path, "tiny:2.0.0") is None
    write(tmp_path / "many/fog/2.0.0", "many", train=12)
    assert len(source(tmp_path, name="many/fog", val_split=0.25).split("train")) == 9


def test_without_the_package_or_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        DataError, match=r"data.name: mnist is not prepared in .*, and preparing it needs the package tensorflow-datasets; run `pip install"
    ):
        source(tmp_path, name="mnist").split("train")

    def builder(name, *, data_dir):
        assert (name, data_dir) == ("mnist", str(tmp_path))
        raise ConnectionError("HTTPSConnectionPool: no route\nmore")

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", types.SimpleNamespace(builder=builder))
    with pytest.raises(DataError, match=r"data.name: mnist could not be prepared \(HTTPSConnectionPool: no route\); look the name up, and see"):
        source(tmp_path, name="mnist").split("train")


def test_the_package_prepares_what_is_not_there(tmp_path, monkeypatch):
    class Builder:
        data_dir = str(tmp_path / "fresh/1.0.0")

        def download_and_prepare(self, *, file_format):
            assert file_format == "tfrecord"
            write(tmp_path / "fresh/1.0.0", "fresh", train=9)

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", types.SimpleNamespace(builder=lambda name, data_dir: Builder()))
    one = source(tmp_path, name="fresh", val_split=1 / 3)
    assert (len(one.split("train")), len(one.split("val"))) == (6, 3)
