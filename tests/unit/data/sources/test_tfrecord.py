"""TFRecord files written by TensorFlow's own writer, read in any order."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.core.errors import DataError
from kvision.data import records
from kvision.data.check import check
from kvision.data.sources.tfrecord import Options, Tfrecord
from tests.unit.data.class_folders import COLOURS, picture

NAMES = tuple(COLOURS)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def feature(values):
    if not values or isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value if isinstance(value, bytes) else value.encode() for value in values]))


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def shard(file, rows, keys=("image/encoded", "image/class/label", "image/filename")):
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in rows:
            features = {key: feature(values) for key, values in zip(keys, row, strict=False)}
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def rows_of(numbers, label=lambda k: [k]):
    return [([encoded(picture(NAMES[n % 3], n))], label(n % 3), [f"{NAMES[n % 3]}/{n:03}.png"]) for n in numbers]


def source(root, **options):
    return Tfrecord(Options(path=str(root), **options), seed=0, base=root)


def test_every_record_is_read_on_its_own(tmp_path):
    for k in range(3):
        shard(tmp_path / f"d/train-0000{k}-of-00003", rows_of(range(10 * k, 10 * k + 10)))
    one = source(tmp_path / "d", classes=NAMES)
    train, val = one.split("train"), one.split("val")
    assert (len(train), len(val)) == (24, 6)
    assert np.bincount(val.labels).tolist() == [2, 2, 2]
    for split in (train, val):
        backwards = tf.data.Dataset.range(len(split) - 1, -1, -1).map(lambda index, split=split: split.read(index, frozenset({"image", "label"})), 2)
        for number, example in zip(reversed(range(len(split))), backwards.as_numpy_iterator(), strict=True):
            name = split.names[number]
            np.testing.assert_array_equal(example["image"], picture(name[:3], int(name[4:7])))
            assert NAMES[example["label"]] == name[:3]
            assert example["label"] == split.labels[number]


def test_splits_are_files_and_labels_may_begin_at_1_or_be_words(tmp_path):
    for split, count in (("train", 9), ("validation", 3), ("test", 6)):
        shard(tmp_path / f"a/{split}-00000-of-00001", rows_of(range(count), lambda k: [k + 1]))
        shard(tmp_path / f"b/{split}.tfrecord", rows_of(range(count), lambda k: [NAMES[k]]))
    one = source(tmp_path / "a", first_class=1)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [9, 3, 6]
    assert one.info.class_names == ("1", "2", "3")
    assert one.split("val").labels.tolist() == [0, 1, 2]
    assert source(tmp_path / "a").info.class_names == ("0", "1", "2", "3")
    one = source(tmp_path / "b")
    assert one.info.class_names == NAMES
    assert one.split("val").labels.tolist() == [0, 1, 2]
    shard(tmp_path / "c/train", rows_of(range(6)))
    with pytest.raises(DataError, match=r"data.first_class: 1, but the files hold the label 0"):
        source(tmp_path / "c", first_class=1).split("train")


def test_several_labels_and_none(tmp_path):
    shard(tmp_path / "d/train", rows_of(range(9), lambda k: [[0], [0, 2], []][k]))
    one = source(tmp_path / "d", classes=NAMES, val_split=0.3)
    assert one.info.fields == {"image", "targets"}
    targets = {
        name[:3]: row.tolist() for split in ("train", "val") for name, row in zip(one.split(split).names, one.split(split).labels, strict=True)
    }
    assert targets == {"cat": [1, 0, 0], "dog": [1, 0, 1], "eel": [0, 0, 0]}


def test_other_features_turned_pictures_and_records_without_names(tmp_path):
    image = np.zeros((8, 12, 3), np.uint8)
    image[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(image, exif=exif)
    shard(tmp_path / "d/x.tfrecord", [([turned], [0]), ([encoded(image, "JPEG")], [1])] * 4, keys=("jpg", "cls"))
    one = source(tmp_path / "d", train_files="*.tfrecord", image_key="jpg", label_key="cls", val_split=0.25)
    assert sorted([*one.split("train").names, *one.split("val").names]) == [f"x.tfrecord/{number}" for number in range(8)]
    train = one.split("train")
    for number in range(len(train)):
        found = train.read(tf.constant(number, tf.int64), frozenset({"image"}))["image"]
        np.testing.assert_allclose(found, image if train.labels[number] else np.rot90(image, -1), atol=6)


def test_the_index_is_made_once_and_again_when_the_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "d/train"
    shard(file, rows_of(range(6)))
    first = source(tmp_path / "d").split("train")
    made = []
    original = records._read
    monkeypatch.setattr(records, "_read", lambda *args: made.append(args) or original(*args))
    again = source(tmp_path / "d").split("train")
    assert not made
    assert again.names == first.names
    assert again.labels.tolist() == first.labels.tolist()
    shard(file, rows_of(range(7)))
    assert len(source(tmp_path / "d").split("train")) + len(source(tmp_path / "d").split("val")) == 7
    assert len(made) == 1
    kept = list((tmp_path / "cache/kvision/records").iterdir())
    for torn in (b"PK", b""):
        for broken in kept:
            broken.write_bytes(torn)
        assert len(source(tmp_path / "d").split("train").names) == 6
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # a file, so that nothing can be kept
    assert len(source(tmp_path / "d").split("train").names) == 6


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(DataError, match=r"data.train_files: no file in .* matches 'train\*'; give a pattern"):
        source(tmp_path).split("train")
    file = tmp_path / "d/train"
    shard(file, rows_of(range(6)))
    with pytest.raises(DataError, match=r"train: record 0: has no feature 'label'; it has image/class/label, image/encoded, .* data.label_key"):
        source(tmp_path / "d", label_key="label").split("train")
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"train: record 5 is damaged or cut short"):
        source(tmp_path / "d").split("train")
    file.write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match=r"train: is compressed.*gunzip"):
        source(tmp_path / "d").split("train")
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"train: holds no records"):
        source(tmp_path / "d").split("train")
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"\xffno example")
    with pytest.raises(DataError, match=r"train: record 0: is no tf.Example"):
        source(tmp_path / "d").split("train")
    shard(file, rows_of(range(6), lambda _: []))
    with pytest.raises(DataError, match=r"data.source: tfrecord: none of the 6 training examples has a label"):
        source(tmp_path / "d").split("train")
    shard(file, rows_of(range(6)))
    with pytest.raises(DataError, match=r"the label '2' is none of the 2 classes"):
        source(tmp_path / "d", classes=("a", "b")).split("train")
    (tmp_path / "d/dataset.json").write_text(json.dumps({"classes": 3}))
    with pytest.raises(DataError, match=r"dataset.json: is not what `kvision data pack` writes"):
        source(tmp_path / "d").split("train")


def test_a_picture_that_can_not_be_decoded_is_found_by_check(tmp_path):
    rows = rows_of(range(30))
    rows[4] = ([rows[4][0][0][:60]], *rows[4][1:])
    shard(tmp_path / "d/train", rows)
    (finding,) = check(source(tmp_path / "d", classes=NAMES))
    assert (finding.kind, finding.files) == ("corrupt", ("dog/004.png",))
