from __future__ import annotations

import pytest

from kvision.core.errors import DataError
from kvision.data.sources.yolo import Options, Yolo
from tests.unit.data.boxed_pictures import BOXES, LARGEST, NAMES, SIDE, TARGETS, images, kinds_and_labels

DESCRIPTION = "path: {}\ntrain: images/train\nval: images/val\nnames: [cat, dog, eel]\n"


def write(root, split="train", copies=3):
    made = images(root / f"images/{split}", copies)
    (root / f"labels/{split}").mkdir(parents=True)
    for name, kind in made:
        lines = []
        for label, (left, top, right, bottom) in BOXES[kind]:
            if name.endswith("1"):  # every other one as a polygon
                points = [left, top, right, top, right, bottom, left, bottom]
            else:
                points = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
            lines.append(" ".join(str(value) for value in (NAMES.index(label), *(point / SIDE for point in points))))
        if lines:  # a picture without a file shows nothing
            (root / f"labels/{split}/{name}.txt").write_text("\n".join(lines) + "\n")


def source(root, **options):
    return Yolo(Options(path=str(root), **options), seed=0, base=root)


@pytest.mark.parametrize("path", ["", "../datasets/elsewhere"])
def test_classes_that_occur_and_the_largest_box(tmp_path, path):
    write(tmp_path)
    write(tmp_path, "val", 2)
    (tmp_path / "data.yaml").write_text(DESCRIPTION.format(path))
    one = source(tmp_path)
    assert one.info.class_names == NAMES
    assert (len(one.split("train")), len(one.split("val"))) == (12, 8)
    assert one.split("val").names[0] == "images/val/a0.png"
    for split in ("train", "val"):
        assert kinds_and_labels(one.split(split)) == TARGETS
        assert kinds_and_labels(source(tmp_path, target="largest").split(split)) == LARGEST


def test_other_ways_to_say_it(tmp_path):
    write(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images/train/a0.png").rename(tmp_path / "elsewhere/17.png")
    (tmp_path / "images/train/a0.png").symlink_to(tmp_path / "elsewhere/17.png")
    (tmp_path / "few.txt").write_text("./images/train/a0.png\n./images/train/b0.png\n./images/train/c0.png\n./images/train/d0.png\n")
    (tmp_path / "my.yaml").write_text("train: [images/train]\nvalid: few.txt\nnames: {0: cat, 1: dog, 2: eel}\n")
    one = source(tmp_path, description="my.yaml")
    assert list(one.split("val").names) == [f"images/train/{kind}0.png" for kind in "abcd"]
    assert kinds_and_labels(one.split("val")) == TARGETS
    assert one.info.class_names == NAMES
    (tmp_path / "my.yaml").write_text("train: images\nnames: [cat, dog, eel]\n")
    one = source(tmp_path, description="my.yaml", val_split=0.25)
    assert (len(one.split("train")), len(one.split("val"))) == (9, 3)


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(DataError, match=r"data.yaml: can't be read as YAML"):
        source(tmp_path).split("train")
    write(tmp_path)
    file = tmp_path / "data.yaml"
    for text, words in (
        ("- 1\n", "needs the entries names, train and val"),
        ("train: images/train\nnc: 3\n", "names is None; accepted: a list of different names"),
        ("train: images/train\nnames: [a, a]\n", ".* accepted: a list of different names"),
        ("train: images/none\nnames: [a, b]\n", "train: there is no folder .*none; mend the entry"),
        ("train: labels/train\nnames: [a, b]\n", "train: .*labels/train holds no pictures"),
        ("names: [a, b]\n", "has no entry train; add the folder"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=rf"data.yaml: {words}"):
            source(tmp_path).split("train")
    file.write_text("train: images/train\nnames: [cat, dog, eel]\n")
    (tmp_path / "labels/train/a0.txt").write_text("0 0.5 0.5 0.1 0.1\n3 0.5 0.5 0.1 0.1\n")
    (tmp_path / "labels/train/b0.txt").write_text("cat 0.5 0.5 0.1 0.1\n")
    (tmp_path / "labels/train/d0.txt").write_text("0 0.5 0.5 0.1\n")
    told = []
    one = source(tmp_path, on_error="skip")
    told = {left["files"][0]: left["reason"] for left in one.report()["left_out"]}
    assert told == {
        "labels/train/a0.txt": "line 2: the class 3 is none of 0..2",
        "labels/train/b0.txt": "line 1: got 'cat 0.5 0.5 0.1 0.1', expected `class x y width height` or a polygon",
        "labels/train/d0.txt": "line 1: got '0 0.5 0.5 0.1', expected `class x y width height` or a polygon",
    }
    with pytest.raises(DataError, match=r"labels/train/a0.txt: line 2: .* \(and 2 more like it\); mend it, or remove it together with its picture"):
        source(tmp_path).split("train")
