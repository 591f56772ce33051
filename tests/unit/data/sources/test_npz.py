from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.npz import Npz, Options

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 9, 9, 3)).astype(np.uint8)
LABELS = np.arange(20) % 4


def source(file, **options):
    return Npz(Options(path=str(file), **options), seed=0, base=Path())


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")])
def test_names_say_the_split(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (IMAGES, LABELS, IMAGES[:8], LABELS[:8, None]), strict=True)))
    one = source(tmp_path / "a.npz")
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [16, 4, 8]
    assert one.info.class_names == ("0", "1", "2", "3")
    np.testing.assert_array_equal(one.split("test").read(tf.constant(3, tf.int64), frozenset({"image"}))["image"], IMAGES[3])
    assert one.report()["class_counts"]["val"] == [1, 1, 1, 1]


def test_given_names_several_classes_and_one_hot(tmp_path):
    several = np.eye(4)[LABELS]
    np.savez_compressed(tmp_path / "a.npz", a=IMAGES[..., 0] / 255, b=several, c=np.ones((20, 4)))
    one = source(tmp_path / "a.npz", images="a", labels="b")
    assert one.info.fields == {"image", "targets"}
    assert one.split("val").labels.sum(0).tolist() == [1, 1, 1, 1]
    one = source(tmp_path / "a.npz", images="a", labels="b", one_hot=True, classes=("a", "b", "c", "d"))
    assert one.info.fields == {"image", "label"}
    assert one.info.class_names == ("a", "b", "c", "d")
    train = one.split("train")
    assert [int(name.split("/")[1]) % 4 for name in train.names] == train.labels.tolist()
    with pytest.raises(DataError, match=r"a.npz: c: is not one-hot"):
        source(tmp_path / "a.npz", images="a", labels="c", one_hot=True).split("train")
    with pytest.raises(DataError, match=r"a.npz: holds a, b, c; say by data.images and data.labels"):
        source(tmp_path / "a.npz").split("train")
    with pytest.raises(DataError, match=r"holds no array 'd'; it holds a, b, c"):
        source(tmp_path / "a.npz", images="d", labels="b").split("train")


def test_what_is_no_npz(tmp_path):
    with pytest.raises(DataError, match=r"data.path: .*none.npz can't be read as .npz"):
        source(tmp_path / "none.npz").split("train")
    np.save(tmp_path / "a.npy", IMAGES)
    with pytest.raises(DataError, match=r"holds a single array; save pictures and labels by numpy.savez"):
        source(tmp_path / "a.npy").split("train")
    (tmp_path / "b.npz").write_bytes(b"PK no")
    with pytest.raises(DataError, match=r"b.npz can't be read as .npz"):
        source(tmp_path / "b.npz").split("train")
    np.savez(tmp_path / "c.npz", images=IMAGES, labels=np.array([{"a": 1}] * 20, dtype=object))
    with pytest.raises(DataError, match=r"c.npz: labels can't be read .*arrays of Python objects are not"):
        source(tmp_path / "c.npz").split("train")
    np.savez(tmp_path / "d.npz", images=IMAGES, labels=LABELS[:19])
    with pytest.raises(DataError, match=r"d.npz: labels: labels have the shape \[19\], images are 20"):
        source(tmp_path / "d.npz").split("train")
