from __future__ import annotations

import json
import shutil

import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.coco import Coco, Options
from tests.unit.data.boxed_pictures import BOXES, LARGEST, NAMES, TARGETS, images, kinds_and_labels

IDS = {"cat": 7, "dog": 18, "eel": 90}


def write(file, folder, copies=3, **more):
    made = images(folder, copies)
    annotations = [
        {"image_id": number, "category_id": IDS[name], "bbox": [left, top, right - left, bottom - top], "area": 1, "iscrowd": 0}
        for number, (_, kind) in enumerate(made)
        for name, (left, top, right, bottom) in BOXES[kind]
    ]
    content = {
        "images": [{"id": number, "file_name": f"{name}.png"} for number, (name, _) in enumerate(made)],
        "annotations": annotations,
        "categories": [{"id": IDS[name], "name": name} for name in reversed(NAMES)],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content | more))


def source(root, **options):
    return Coco(Options(path=str(root), **options), seed=0, base=root)


def test_classes_that_occur_and_the_largest_box(tmp_path):
    write(tmp_path / "all.json", tmp_path / "images", 5)
    one = source(tmp_path, annotations="all.json", val_split=0.2)
    assert one.info.class_names == NAMES
    assert one.info.fields == {"image", "targets"}
    assert kinds_and_labels(one.split("train")) == TARGETS
    assert one.split("train").read(tf.constant(0, tf.int64), frozenset({"targets"}))["targets"].shape == (3,)
    one = source(tmp_path, annotations="all.json", target="largest")
    assert one.info.fields == {"image", "label"}
    assert kinds_and_labels(one.split("train")) == LARGEST
    assert len(one.split("train")) + len(one.split("val")) == 15
    one = source(tmp_path, annotations="all.json", target="largest", classes=("eel", "dog"))
    assert kinds_and_labels(one.split("train")) == {"a": 1, "b": 1, "d": 1}
    with pytest.raises(DataError, match=r"data.classes: the annotations have no class 'dgo'; they have cat, dog, eel; did you mean \"dog\""):
        source(tmp_path, annotations="all.json", classes=("dgo",)).split("train")


def test_both_known_layouts_are_found(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / f"a/annotations/instances_{split}2017.json", tmp_path / f"a/{split}2017", 2)
    one = source(tmp_path / "a")
    assert one.split("val").names[0] == "val2017/a0.png"
    assert [len(one.split(split)) for split in ("train", "val")] == [8, 8]
    for split in ("train", "valid", "test"):
        write(tmp_path / f"b/{split}/_annotations.coco.json", tmp_path / f"b/{split}", 2)
    one = source(tmp_path / "b")
    assert [len(one.split(split)) for split in ("train", "val", "test")] == [8, 8, 8]
    assert one.split("test").names[0] == "test/a0.png"
    write(tmp_path / "b/other.json", tmp_path / "b/images", 1)
    one = source(tmp_path / "b", test_annotations="other.json")
    assert len(one.split("test")) == 4


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no layout that is known; name the file by data.annotations"):
        source(tmp_path).split("train")
    with pytest.raises(DataError, match=r"all.json: can't be read as JSON"):
        source(tmp_path, annotations="all.json").split("train")
    file = tmp_path / "all.json"
    for more, words in (
        ({"annotations": [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "KeyError 1"),
        ({"annotations": [{"image_id": 0, "category_id": 7, "bbox": [0]}]}, "IndexError"),
        ({"images": None}, "TypeError"),
    ):
        write(file, tmp_path / "images", **more)
        with pytest.raises(DataError, match=rf"all.json: is not COCO's format: {words}.* it needs images, annotations and categories"):
            source(tmp_path, annotations="all.json").split("train")
    file.write_text("[]")
    with pytest.raises(DataError, match=r"it holds a list"):
        source(tmp_path, annotations="all.json").split("train")
    write(file, tmp_path / "images")
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(DataError, match=r"images/a0.png \(and 11 more like it\)|images/a0.png: there is no such file \(and 11 more"):
        source(tmp_path, annotations="all.json").split("train")
    write(file, tmp_path / "images")
    write(tmp_path / "val.json", tmp_path / "images", categories=[{"id": IDS[name], "name": name[::-1]} for name in NAMES])
    with pytest.raises(DataError, match=r"val.json: has other categories than the training annotations: tac, god, lee and cat, dog, eel"):
        source(tmp_path, annotations="all.json", val_annotations="val.json").split("train")
