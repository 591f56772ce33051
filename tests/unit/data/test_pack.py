"""What `kvision data pack` writes, read by TensorFlow's own reader and by our source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision.commands import data as command
from kvision.core.errors import DataError, UsageError
from kvision.data.pack import pack
from kvision.data.sources.digits import Digits
from kvision.data.sources.digits import Options as DigitOptions
from kvision.data.sources.npz import Npz
from kvision.data.sources.npz import Options as NpzOptions
from kvision.data.sources.tfrecord import Options, Tfrecord
from tests.unit.data.class_folders import source, write


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def packed(folder, **options):
    return Tfrecord(Options(path=str(folder), **options), seed=0, base=folder)


def examples(split, fields):
    data = tf.data.Dataset.range(len(split)).map(lambda index: split.read(index, fields))
    return dict(zip(split.names, data.as_numpy_iterator(), strict=True))


def test_reading_back_gives_the_same_examples(tmp_path):
    write(tmp_path / "set", 10, suffix=".jpg")
    one = source(tmp_path / "set", test_split=0.2)
    told = []
    assert pack(one, tmp_path / "out", per_file=5, told=lambda *at: told.append(at)) == {"train": 18, "val": 6, "test": 6}
    assert sorted(told) == [(done, 30) for done in range(1, 31)]
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files[:3] == ["dataset.json", "test-00000-of-00002.tfrecord", "test-00001-of-00002.tfrecord"]
    assert len(files) == 1 + 2 + 2 + 4
    back = packed(tmp_path / "out")
    assert back.info.class_names == one.info.class_names
    fields = frozenset({"image", "label"})
    for split in ("train", "val", "test"):
        before, after = examples(one.split(split), fields), examples(back.split(split), fields)
        assert before.keys() == after.keys()
        for name, example in before.items():
            np.testing.assert_array_equal(example["image"], after[name]["image"])
            assert example["label"] == after[name]["label"]


def test_tensorflow_reads_it_with_the_usual_names(tmp_path):
    write(tmp_path / "set", 6)
    pack(source(tmp_path / "set"), tmp_path / "out")
    (file,) = (tmp_path / "out").glob("train-*")
    keys = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/height": tf.io.FixedLenFeature([], tf.int64),
        "image/width": tf.io.FixedLenFeature([], tf.int64),
        "image/format": tf.io.FixedLenFeature([], tf.string),
        "image/filename": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/class/text": tf.io.FixedLenFeature([], tf.string),
    }
    rows = [tf.io.parse_single_example(record, keys) for record in tf.data.TFRecordDataset(str(file))]
    labels = [int(row["image/class/label"]) for row in rows]
    assert len(labels) == 14
    assert labels != sorted(labels)  # mixed, for readers that can't read in any order
    for row in rows:
        name = row["image/filename"].numpy().decode()
        assert row["image/encoded"].numpy() == (tmp_path / "set" / name).read_bytes()
        assert row["image/class/text"].numpy().decode() == name[:3]
        assert (int(row["image/height"]), int(row["image/width"]), row["image/format"].numpy()) == (12, 16, b"PNG")


def test_arrays_become_png_without_a_loss(tmp_path):
    digits = Digits(DigitOptions(train_size=40, val_size=10, test_size=10), seed=0, base=Path())
    pack(digits, tmp_path / "digits")
    before, after = (examples(one.split("val"), frozenset({"image", "label"})) for one in (digits, packed(tmp_path / "digits")))
    assert before.keys() == after.keys()
    for name, example in before.items():
        np.testing.assert_array_equal(example["image"], after[name]["image"])
        assert example["label"] == after[name]["label"]


def test_several_labels_come_back_as_targets(tmp_path):
    targets = np.eye(3, dtype=np.uint8)[np.arange(12) % 3]
    images = np.random.default_rng(0).integers(0, 256, (12, 9, 9, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=targets)
    one = Npz(NpzOptions(path="a.npz", classes=("a", "b", "c")), seed=0, base=tmp_path)
    pack(one, tmp_path / "out")
    back = packed(tmp_path / "out")
    assert back.info.fields == {"image", "targets"}
    for split in ("train", "val"):
        before, after = (examples(each.split(split), frozenset({"targets"})) for each in (one, back))
        assert {name: row["targets"].tolist() for name, row in before.items()} == {name: row["targets"].tolist() for name, row in after.items()}


def test_the_command(tmp_path, capsys):
    write(tmp_path / "set", 6)
    recipe = tmp_path / "my.yaml"
    recipe.write_text("system: classification/lenet\ndata: {source: image_folder, path: set, size_px: 32}\n")
    command.pack(str(recipe), [], out=str(tmp_path / "out"))
    out = capsys.readouterr().out
    assert "14 examples for train, 4 examples for val" in out
    assert f"data: {{source: tfrecord, path: {tmp_path / 'out'}}}" in out
    assert json.loads((tmp_path / "out/dataset.json").read_text()) == {
        "classes": ["cat", "dog", "eel"],
        "several": False,
        "examples": {"train": 14, "val": 4},
    }
    with pytest.raises(UsageError, match=r"--out: .*out is there already and not empty; give a new folder"):
        command.pack(str(recipe), [], out=str(tmp_path / "out"))
    with pytest.raises(
        DataError, match=r"data.source: scenes gives boxes, captions, content, image, .* only pictures with class labels can be packed"
    ):
        command.pack("unet", [], out=str(tmp_path / "scenes"))


def test_a_damaged_picture_is_named_and_no_half_file_is_left(tmp_path):
    write(tmp_path / "set", 6)
    one = source(tmp_path / "set", val_split=0.2)
    assert len(one.split("train"))
    (tmp_path / "set" / one.split("train").names[3]).write_bytes(b"gone")
    with pytest.raises(DataError, match=r"\w+/00\d.png: not an image: .* data.on_error: skip"):
        pack(one, tmp_path / "out")
    assert not list((tmp_path / "out").glob("train-*"))
    assert not list((tmp_path / "out").glob(".*"))
