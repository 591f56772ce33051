"""COCO's captions and Karpathy's splits of them."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.coco_captions import CocoCaptions, Options
from tests.unit.data.captioned_pictures import captions, images


def source(root, **options):
    return CocoCaptions(Options(path=str(root), **options), seed=0, base=root)


def write(root, split, numbers):
    """`annotations/captions_<split>.json` and `<split>/`, as cocodataset.org has them; annotations are in no order."""
    names = images(root / split, numbers, ".jpg")
    content = {
        "info": {"year": 2017},
        "licenses": [],
        "images": [{"id": 100 + number, "file_name": name, "height": 32, "width": 32} for number, name in zip(numbers, names, strict=True)],
        "annotations": [
            {"image_id": 100 + number, "id": 1000 * place + number, "caption": f"{captions(number)[place]}.\n"}
            for place in range(5)
            for number in reversed(numbers)
        ],
    }
    file = root / f"annotations/captions_{split}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    return file, content


def test_the_layout_of_any_year_is_found(tmp_path):
    write(tmp_path, "train2017", range(8))
    write(tmp_path, "val2017", range(8, 11))
    one = source(tmp_path)
    assert (len(one.split("train")), one.split("val").names) == (8, ["val2017/08.jpg", "val2017/09.jpg", "val2017/10.jpg"])
    assert one.split("val").captions[1] == tuple(f"{text}." for text in captions(9))
    assert one.split("val").read(tf.constant(0, tf.int64), frozenset({"tokens"}))["tokens"].shape == (5, one.info.texts.length + 2)
    assert one.info.fields == {"image", "captions", "tokens"}
    assert one.info.class_names == ()
    with pytest.raises(DataError, match=r"coco_captions has no test split; set data.test_split"):
        one.split("test")


def test_pictures_without_captions_are_left_out_and_named(tmp_path):
    file, content = write(tmp_path, "train2017", range(8))
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != 103]
    file.write_text(json.dumps(content))
    one = source(tmp_path)
    assert sum(len(split) for split in one.splits.values()) == 7
    assert [(fault.kind, fault.files) for fault in one.collected.faults] == [("no-caption", ("train2017/03.jpg",))]


def karpathy(root, name, *, folders):
    """`dataset_coco.json` or `dataset_flickr8k.json`, as Karpathy made them."""
    splits = ["train"] * 6 + ["restval"] * 2 + ["val"] * 2 + ["test"] * 2
    content = {
        "images": [
            {
                **({"filepath": "val2014"} if folders else {}),
                "filename": f"{number:02}.jpg",
                "imgid": number,
                "split": split,
                "sentids": [],
                "sentences": [{"tokens": text.split(), "raw": text, "imgid": number, "sentid": 0} for text in captions(number)],
            }
            for number, split in enumerate(splits)
        ],
        "dataset": name,
    }
    (root / f"dataset_{name}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(("folder", "folders"), [("val2014", True), ("images/val2014", True), ("Images", False)])
def test_karpathys_splits(tmp_path, folder, folders):
    images(tmp_path / folder, range(12), ".jpg")
    karpathy(tmp_path, "coco", folders=folders)
    one = source(tmp_path)
    assert [len(one.split(split)) for split in ("train", "val", "test")] == [8, 2, 2]
    assert one.split("val").names[0] == f"{folder}/08.jpg"
    assert one.split("val").captions[0] == tuple(captions(8))


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no layout that is known; name the file by data.annotations"):
        source(tmp_path).split("train")
    file, content = write(tmp_path, "train2017", range(2))
    for more, words in (
        ({"annotations": [{"image_id": 100, "bbox": [0, 0, 1, 1]}]}, r"captions_train2017.json: is not COCO's format: KeyError 'caption'"),
        ({"annotations": [{"image_id": 100, "caption": None}]}, "is not COCO's format: TypeError a caption is None"),
        ({"annotations": [{"image_id": 7, "caption": "a dog"}]}, "has captions of 1 pictures that are not among its images, such as 7"),
        ({"images": []}, "has captions of 2 pictures"),
    ):
        file.write_text(json.dumps(content | more))
        with pytest.raises(DataError, match=words):
            source(tmp_path).split("train")
    file.write_text("[]")
    with pytest.raises(DataError, match="it holds a list, not images and annotations"):
        source(tmp_path).split("train")
