"""What `kvision data pack` writes, read by TensorFlow's own reader and by our source."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision.commands import packing as command
from kvision.core.errors import DataError, UsageError
from kvision.data import packed as facts
from kvision.data import records
from kvision.data.pack import PLAN, pack, verify
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
    files = sorted(file.name for file in (tmp_path / "out").iterdir() if not facts.tells(file.name))
    assert files[:2] == ["test-00000-of-00002.tfrecord", "test-00001-of-00002.tfrecord"]
    assert len(files) == 2 + 2 + 4
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
    (file,) = (tmp_path / "out").glob("train-*.tfrecord")
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
    told = json.loads((tmp_path / "out/dataset.json").read_text())
    files = told.pop("files")
    assert told == {"classes": ["cat", "dog", "eel"], "several": False, "examples": {"train": 14, "val": 4}, "form": "tfrecord"}
    assert [files[f"{name}-00000-of-00001.tfrecord"]["examples"] for name in ("train", "val")] == [14, 4]
    command.verify(str(tmp_path / "out"))
    assert "all files are as they were packed" in capsys.readouterr().out
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
    with pytest.raises(DataError, match=r"\w+/00\d.png: .* mend or remove it, or set data.on_error: skip"):
        pack(one, tmp_path / "out")
    assert not list((tmp_path / "out").glob("train-*"))
    assert [file.name for file in (tmp_path / "out").glob(".*")] == [PLAN]


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("form", ["tfrecord", "array_record"])
def test_an_interrupted_call_is_gone_on_with_and_the_files_are_the_same_to_the_bit(tmp_path, form):
    if form == "array_record":
        pytest.importorskip("array_record")
    write(tmp_path / "set", 8)
    pack(source(tmp_path / "set"), tmp_path / "whole", per_file=4, form=form)

    def stop(done, total):
        if done == 5:  # in the second file
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pack(source(tmp_path / "set"), tmp_path / "out", per_file=4, form=form, told=stop)
    done = [file for file in (tmp_path / "out").iterdir() if facts.tells(file.name)]
    assert len(done) == 2
    (tmp_path / "out" / f"train-00003-of-00005.{form}").write_bytes(b"half")  # renamed, but not indexed yet: written anew
    times = {file: file.stat().st_mtime_ns for file in done}
    with pytest.raises(UsageError, match=r"begun with other data, another --per-file or another --format"):
        pack(source(tmp_path / "set"), tmp_path / "out", per_file=5, form=form)
    told = []
    pack(source(tmp_path / "set"), tmp_path / "out", per_file=4, form=form, told=lambda *at: told.append(at))
    assert told[-1] == (16, 16)  # 24 without those of the two files
    assert times == {file: file.stat().st_mtime_ns for file in done}
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_flipped_bit_and_a_lost_file_are_found_and_named(tmp_path, capsys):
    write(tmp_path / "set", 8)
    pack(source(tmp_path / "set"), tmp_path / "out", per_file=5)
    assert verify(tmp_path / "out") == []
    file = tmp_path / "out/train-00001-of-00004.tfrecord"
    data = bytearray(file.read_bytes())
    data[200] ^= 4
    file.write_bytes(data)
    (tmp_path / "out/val-00000-of-00001.tfrecord").write_bytes(b"short")
    (tmp_path / "out/train-00003-of-00004.tfrecord").unlink()
    with pytest.raises(DataError, match=r"3 files not as packed"):
        command.verify(str(tmp_path / "out"))
    told = capsys.readouterr().out
    assert "train-00001-of-00004.tfrecord: is damaged: its SHA-256 is" in told
    assert "train-00003-of-00004.tfrecord: is not there; it held" in told
    assert "val-00000-of-00001.tfrecord: has 5 bytes, not" in told
    with pytest.raises(DataError, match=r"set: dataset.json is not there or has no checksums"):
        verify(tmp_path / "set")


def test_the_index_beside_a_file_saves_reading_it_through_and_is_not_believed_of_another_file(tmp_path, monkeypatch):
    write(tmp_path / "set", 8)
    pack(source(tmp_path / "set"), tmp_path / "out", per_file=5)
    expected = list(packed(tmp_path / "out").split("train").names)
    read = []
    original = records._read
    monkeypatch.setattr(records, "_read", lambda *args: read.append(args) or original(*args))
    assert list(packed(tmp_path / "out").split("train").names) == expected
    assert not read
    file = tmp_path / "out/train-00001-of-00004.tfrecord"
    file.write_bytes((tmp_path / "out/val-00000-of-00001.tfrecord").read_bytes())
    assert list(packed(tmp_path / "out").split("train").names) != expected
    assert [args[0] for args in read] == [file]


def test_array_records_are_read_in_any_order_and_a_damaged_one_is_named(tmp_path):
    pytest.importorskip("array_record")
    write(tmp_path / "set", 10, suffix=".jpg")
    one = source(tmp_path / "set")
    pack(one, tmp_path / "out", per_file=5, form="array_record")
    for beside in [True, False]:
        back = packed(tmp_path / "out").split("train")
        fields = frozenset({"image", "label"})
        before, after = examples(one.split("train"), fields), examples(back, fields)
        for name, example in before.items():
            np.testing.assert_array_equal(example["image"], after[name]["image"])
            assert example["label"] == after[name]["label"]
        for index in (tmp_path / "out").glob("*.index.npz") if beside else ():
            index.unlink()
    file = tmp_path / "out/train-00000-of-00005.array_record"
    data = file.read_bytes()
    at = data.index(b"image/class/text")
    file.write_bytes(data[:at] + b"j" + data[at + 1 :])
    with pytest.raises(DataError, match=r"train-00000-of-00005.array_record: record \d is damaged or cut short"):
        packed(tmp_path / "out").split("train")
    pack(one, tmp_path / "mixed", per_file=30)
    (tmp_path / "mixed/train-2.array_record").write_bytes((tmp_path / "out/train-00001-of-00005.array_record").read_bytes())
    with pytest.raises(DataError, match=r"holds ArrayRecord and TFRecord files of one split; choose by data.train_files"):
        packed(tmp_path / "mixed").split("train")


@pytest.mark.parametrize("form", ["tfrecord", "array_record"])
def test_a_disk_that_takes_no_more_is_told_and_what_is_whole_stays(tmp_path, form):
    if form == "array_record":
        pytest.importorskip("array_record")
    images = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3)).astype(np.uint8)  # 12 kB each as PNG
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(30) % 3)
    one = Npz(NpzOptions(path="a.npz", val_size=3), seed=0, base=tmp_path)
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"train-00000-of-00001.*([Tt]oo large|exhausted)|too large; writing .*train-00000-of-00001"):
            pack(one, tmp_path / "out", form=form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [file.name for file in (tmp_path / "out").iterdir()] == [PLAN]
    pack(one, tmp_path / "out", form=form)
    assert verify(tmp_path / "out") == []
