from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from kvision.core.errors import DataError
from kvision.data.sources.voc import Options, Voc
from tests.unit.data.boxed_pictures import BOXES, LARGEST, NAMES, TARGETS, images, kinds_and_labels


def write(root, copies=3, *, filename=True):
    made = images(root / "JPEGImages", copies, ".jpg")
    (root / "Annotations").mkdir()
    for name, kind in made:
        top = ET.Element("annotation")
        if filename:
            ET.SubElement(top, "filename").text = f"{name}.jpg"
        for label, box in BOXES[kind]:
            one = ET.SubElement(top, "object")
            ET.SubElement(one, "name").text = label
            ET.SubElement(one, "difficult").text = "1" if label == "eel" else "0"
            corners = ET.SubElement(one, "bndbox")
            for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
                ET.SubElement(corners, side).text = str(value)
        ET.ElementTree(top).write(root / f"Annotations/{name}.xml")
    return [name for name, _ in made]


def source(root, **options):
    return Voc(Options(path=str(root), **options), seed=0, base=root)


@pytest.mark.parametrize("filename", [True, False])
def test_classes_that_occur_and_the_largest_box(tmp_path, filename):
    write(tmp_path, 5, filename=filename)
    one = source(tmp_path)
    assert one.info.class_names == NAMES
    assert kinds_and_labels(one.split("train")) == TARGETS
    assert one.split("val").names[0].startswith("JPEGImages/")
    assert kinds_and_labels(source(tmp_path, target="largest").split("train")) == LARGEST
    assert source(tmp_path, difficult=False).info.class_names == ("cat", "dog")


def test_the_lists_say_the_split(tmp_path):
    names = write(tmp_path)
    lists = tmp_path / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(names[:6]) + "\n\n")
    (lists / "val.txt").write_text("\n".join(f"{name} 1" for name in names[6:8]))
    one = source(tmp_path)
    assert (len(one.split("train")), len(one.split("val"))) == (6, 2)
    assert list(one.split("val").names) == [f"JPEGImages/{name}.jpg" for name in names[6:8]]
    (lists / "train.txt").unlink()
    assert len(source(tmp_path).split("train")) == 10


def test_faulty_annotations_are_named(tmp_path):
    with pytest.raises(DataError, match=r"data.annotations: there is no folder"):
        source(tmp_path).split("train")
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(DataError, match=r"holds no XML files, and .*train.txt does not exist"):
        source(tmp_path).split("train")
    (tmp_path / "Annotations").rmdir()
    write(tmp_path)
    (tmp_path / "Annotations/a1.xml").write_text("<annotation><object>")
    (tmp_path / "Annotations/b0.xml").write_text("<annotation><object><name>cat</name></object></annotation>")
    (tmp_path / "JPEGImages/d2.jpg").unlink()
    with pytest.raises(DataError, match="3 faults stop the training") as caught:
        source(tmp_path).split("train")
    for words in ("Annotations/a1.xml: is no annotation of VOC", "mend it, or remove it together with its picture"):
        assert words in str(caught.value)
    assert "JPEGImages/d2.jpg: there is no such file" in str(caught.value)
    one = source(tmp_path, on_error="skip")
    assert len(one.split("train")) + len(one.split("val")) == 9
    kinds = [left["files"] for left in one.report()["left_out"]]
    assert kinds == [["Annotations/a1.xml"], ["Annotations/b0.xml"], ["JPEGImages/d2.jpg"]]
