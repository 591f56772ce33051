from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pydantic
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.scenes import facts, objects
from kvision.data.scenes.content import Content
from kvision.data.sources.scenes import Options, Scenes

SMALL = {"size_px": 32, "train_size": 6, "val_size": 4}
ALL = frozenset({"image", "mask", "instances", "boxes", "labels", "order", "captions", "tokens", "content"})


def make(seed=0, **options):
    return Scenes(Options(**{**SMALL, **options}), seed=seed, base=Path())


def read_all(split, fields=ALL):
    data = tf.data.Dataset.range(len(split)).map(lambda index: split.read(index, fields))
    return data.element_spec, list(data.as_numpy_iterator())


def test_every_field_in_the_graph():
    source = make()
    split = source.split("train")
    spec, examples = read_all(split)
    assert list(split.names) == [f"scenes/train/{number}" for number in range(6)]
    assert {name: (tuple(one.shape), one.dtype) for name, one in spec.items()} == {
        "image": ((32, 32, 3), tf.uint8),
        "mask": ((32, 32), tf.uint8),
        "instances": ((32, 32), tf.uint8),
        "boxes": ((7, 4), tf.float32),
        "labels": ((7,), tf.int32),
        "order": ((7,), tf.int32),
        "captions": ((5,), tf.string),
        "tokens": ((5, source.info.texts.length + 2), tf.int32),
        "content": ((), tf.string),
    }
    vocabulary = source.info.texts.vocabulary
    for example in examples:
        count = np.count_nonzero(example["labels"] >= 0)
        assert 1 <= count <= 7
        assert example["order"].tolist() == [*range(count), *[-1] * (7 - count)]
        assert (example["boxes"][count:] == -1).all()
        assert set(np.unique(example["instances"])) == set(range(count + 1))
        for number in range(count):
            top, left, bottom, right = example["boxes"][number].astype(int)
            window = example["instances"][top:bottom, left:right] == number + 1
            assert window.sum() == (example["instances"] == number + 1).sum()
            assert window.any(axis=0).all() or window.any(axis=0)[[0, -1]].all()
            assert (example["mask"][example["instances"] == number + 1] == example["labels"][number]).all()
        assert len({caption.decode() for caption in example["captions"]}) == 5
        for caption, row in zip(example["captions"], example["tokens"], strict=True):
            assert caption.decode().startswith(vocabulary.decode(row))
        assert len(Content.from_json(example["content"].decode()).things) == count


def test_only_the_fields_asked_for_and_nothing_becomes_a_constant():
    split = make().split("val")
    assert set(read_all(split, frozenset({"image", "mask", "depth"}))[0]) == {"image", "mask"}
    graph = tf.function(lambda index: split.read(index, ALL)).get_concrete_function(tf.TensorSpec([], tf.int64)).graph
    constants = [node.attr["value"].tensor.ByteSize() for node in graph.as_graph_def().node if node.op == "Const"]
    assert max(constants) < 5000  # TensorFlow copies tensors of up to 128 elements, here the captions; the images are 12288 bytes
    assert len(graph.captures) >= 3


def test_scenes_depend_on_the_data_seed_split_and_number_alone():
    def images(source, split):
        return np.stack([example["image"] for example in read_all(source.split(split), frozenset({"image"}))[1]])

    train = images(make(), "train")
    np.testing.assert_array_equal(train, images(make(seed=5), "train"))
    np.testing.assert_array_equal(train[:3], images(make(train_size=3), "train"))
    assert (train[:4] != images(make(), "val")).any(axis=(1, 2, 3)).all()
    assert (train != images(Scenes(Options(**SMALL, seed=1), seed=0, base=Path()), "train")).any(axis=(1, 2, 3)).all()


def test_info_and_report():
    info = make().info
    assert info.num_classes == 11 == len(info.palette)
    assert info.class_names[:2] == ("background", "digit 0")
    assert info.fields == ALL
    assert make(objects="shapes").info.class_names[1:3] == ("circle", "triangle")
    assert make().report() == {"objects": "digits", "train": 6, "val": 4, "seed": 0}


def test_stamps_not_installed(tmp_path, monkeypatch):
    objects._stamp_files.cache_clear()
    monkeypatch.setattr(objects, "STAMPS", tmp_path)
    with pytest.raises(DataError, match="apt-get install tuxpaint-stamps-default"):
        make(objects="stamps").info  # noqa: B018
    objects._stamp_files.cache_clear()


def test_too_many_for_the_memory(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10_000})())
    with pytest.raises(DataError, match=r"data.train_size=6 scenes of 32x32 px need .* use fewer scenes or a smaller data.size_px"):
        make().split("train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_objects": 5, "max_objects": 3}, "max_objects=3 is below min_objects=5; use max_objects >= 5"),
        ({"object_scale": (0.5, 0.2)}, r"\[0.5, 0.2\] is not a range"),
        ({"objects": "cats"}, "digits"),
        ({"train_size": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        Options(**options)


def test_captions_are_true_of_what_the_split_says_it_shows():
    source = make(objects="shapes", min_objects=1, max_objects=3)
    split = source.split("val")
    for content, example in zip(split.contents, read_all(split, frozenset({"captions", "boxes"}))[1], strict=True):
        assert [thing.box for thing in content.things] == [tuple(box) for box in example["boxes"].astype(int).tolist() if box[0] >= 0]
        for caption in example["captions"]:
            found = facts.judge(caption.decode(), content, source.lexicon)
            assert found
            assert all(fact.holds for fact in found)
