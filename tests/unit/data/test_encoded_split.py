from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.data.encoded_split import FileSplit, RowSplit, orientation

IMAGE = np.zeros((6, 9, 3), np.uint8)
IMAGE[:3] = 200
IMAGE[:, :2, 0] = 77


def encoded(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    buffer = io.BytesIO()
    Image.fromarray(IMAGE).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def upright(data):
    """By Pillow."""
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


def splits(folder, turns):
    data = [encoded(turn) for turn in turns]
    names, labels = [f"{k}.png" for k in range(len(turns))], np.arange(len(turns), dtype=np.int32)
    for name, each in zip(names, data, strict=True):
        (folder / name).write_bytes(each)
    return data, (FileSplit([folder / name for name in names], names, labels, np.array(turns, np.int32)), RowSplit(data.__getitem__, names, labels))


@pytest.mark.parametrize("turns", [[1, 1, 1], [1, 3, 6, 8, 5]])
def test_pictures_stand_upright_wherever_they_come_from(tmp_path, turns):
    data, made = splits(tmp_path, turns)
    for split in made:
        for number, example in enumerate(tf.data.Dataset.range(len(turns)).map(lambda k, split=split: split.read(k, frozenset({"image", "label"})))):
            np.testing.assert_array_equal(example["image"], upright(data[number]))
            assert int(example["label"]) == number


def test_a_part_keeps_names_labels_and_pictures_together(tmp_path):
    data, made = splits(tmp_path, [1, 3, 6, 8, 5])
    for split in made:
        part = split.take(np.array([4, 2])).take(np.array([1, 0]))
        assert part.listing() == ["2.png", "4.png"]
        assert part.labels.tolist() == [2, 4]
        np.testing.assert_array_equal(part.read(tf.constant(1, tf.int64), frozenset({"image"}))["image"], upright(data[4]))
        assert part.read(tf.constant(1, tf.int64), frozenset({"label"})).keys() == {"label"}


def test_several_classes_are_targets(tmp_path):
    _, made = splits(tmp_path, [1, 1])
    several = FileSplit(made[0].files, made[0].names, np.array([[1, 0, 1], [0, 0, 0]], np.uint8), np.ones(2, np.int32))
    example = several.read(tf.constant(0, tf.int64), frozenset({"label", "targets"}))
    assert example.keys() == {"targets"}
    assert example["targets"].dtype == tf.float32
    assert example["targets"].numpy().tolist() == [1, 0, 1]


def test_what_is_no_picture_fails_when_it_is_decoded(tmp_path):
    assert orientation(b"no picture") == 1
    split = RowSplit([b"no picture"].__getitem__, ["a"], np.zeros(1, np.int32))
    with pytest.raises(tf.errors.InvalidArgumentError):
        split.read(tf.constant(0, tf.int64), frozenset({"image"}))
