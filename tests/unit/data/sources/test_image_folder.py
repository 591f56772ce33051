from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.core.errors import DataError
from kvision.core.schema import Chosen
from kvision.data.pipeline import Pipeline
from kvision.data.sources.image_folder import ImageFolder, Options
from tests.unit.data.class_folders import picture, source, write

FIELDS = frozenset({"image", "label"})


def read_all(split):
    """Every example by way of a graph, as the pipeline does it."""
    data = tf.data.Dataset.range(len(split)).map(lambda index: split.read(index, FIELDS))
    return dict(zip(split.names, data.as_numpy_iterator(), strict=True))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".gif", ".webp"])
def test_every_format_gives_the_picture_and_its_class(tmp_path, suffix):
    write(tmp_path, 5, suffix=suffix)
    one = source(tmp_path)
    assert one.info.class_names == ("cat", "dog", "eel")
    examples = read_all(one.split("train")) | read_all(one.split("val"))
    assert len(examples) == 15
    for name, example in examples.items():
        kind, number = name.split("/")
        assert one.info.class_names[example["label"]] == kind
        with Image.open(tmp_path / name) as stored:
            np.testing.assert_allclose(example["image"], np.asarray(stored.convert("RGB")), atol=4)
        if suffix in {".png", ".bmp"}:
            np.testing.assert_array_equal(example["image"], picture(kind, int(number[:3])))


def test_the_split_is_even_and_stands_in_the_report(tmp_path):
    write(tmp_path, 10)
    one = source(tmp_path, val_split=0.2, test_split=0.1)
    report = one.report()
    assert report["class_counts"] == {"train": [7, 7, 7], "val": [2, 2, 2], "test": [1, 1, 1]}
    assert report["split_rule"] == "ratio"
    assert report["files"]["val"] == list(one.split("val").names)
    assert sum(len(names) for names in report["files"].values()) == 30
    assert one.chosen() == {"split": Chosen(f"{tmp_path} has no sub-folders train and val or test", "ratio")}
    with pytest.raises(DataError, match=r"image_folder has no test split; set data.test_split"):
        source(tmp_path).split("test")


def test_a_split_is_made_again_from_the_report(tmp_path):
    write(tmp_path, 6)
    report = source(tmp_path, test_split=0.2).report()
    for name, names in report["files"].items():
        (tmp_path / f"{name}.txt").write_text("\n".join(names))
    write(tmp_path, 1, first=6)
    one = source(tmp_path, train_list="train.txt", val_list="val.txt", test_list="test.txt")
    assert {name: sorted(names) for name, names in one.report()["files"].items()} == {name: sorted(names) for name, names in report["files"].items()}
    assert one.options.chosen()["split"] == Chosen("train_list, val_list or test_list is given", "list")


def test_lists_leave_the_rest_to_training(tmp_path):
    write(tmp_path, 6)
    (tmp_path / "test.txt").write_text("# hard\ncat/000\n\ndog/001.png\neel/002\n")
    one = source(tmp_path, test_list="test.txt", val_split=0.2)
    assert sorted(one.split("test").names) == ["cat/000.png", "dog/001.png", "eel/002.png"]
    assert (len(one.split("train")), len(one.split("val"))) == (12, 3)
    (tmp_path / "val.txt").write_text("cat/000\ncat/001\n")
    with pytest.raises(
        DataError, match=r"data.val_list: 1 pictures are in data.test_list as well|data.test_list: 1 pictures are in data.val_list as well"
    ):
        source(tmp_path, test_list="test.txt", val_list="val.txt").split("train")
    (tmp_path / "val.txt").write_text("cat/0000\n")
    with pytest.raises(DataError, match=r"val.txt:1: there is no image 'cat/0000'; did you mean"):
        source(tmp_path, val_list="val.txt").split("train")
    with pytest.raises(DataError, match=r"data.split: list: none of data.train_list"):
        source(tmp_path, split="list").split("train")


@pytest.mark.parametrize(("train", "val"), [("train", "val"), ("Training", "Validation")])
def test_folders_of_the_splits(tmp_path, train, val):
    write(tmp_path / train, 4)
    write(tmp_path / val, 2, first=50)
    write(tmp_path / "test", 3, first=90)
    one = source(tmp_path)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [12, 6, 9]
    assert one.split("val").names[0] == f"{val}/cat/050.png"
    assert one.report()["split"] == "the data's own"
    assert one.chosen()["split"].value == "folder"
    shutil.rmtree(tmp_path / val)
    one = source(tmp_path, val_split=0.25)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [9, 3, 9]
    with pytest.raises(DataError, match=r"data.split: folder: .* needs sub-folders train and val, or train and test; it holds cat, dog, eel"):
        source(tmp_path / train, split="folder").split("train")


def test_nested_and_hidden_files_and_other_files(tmp_path):
    write(tmp_path, 4)
    (tmp_path / "cat/persian/old").mkdir(parents=True)
    shutil.move(tmp_path / "cat/000.png", tmp_path / "cat/persian/old/000.png")
    (tmp_path / "cat/._001.png").write_bytes(b"resource fork")
    (tmp_path / "cat/notes.txt").write_text("nice cats")
    (tmp_path / ".git").mkdir()
    (tmp_path / "__MACOSX/cat").mkdir(parents=True)
    one = source(tmp_path)
    names = {*one.split("train").names, *one.split("val").names}
    assert len(names) == 12
    assert "cat/persian/old/000.png" in names
    assert not one.collected.faults


def test_names_in_other_scripts_and_encodings(tmp_path):
    write(tmp_path, 4)
    for name in ("日本 №1.png".encode(), b"caf\xe9.png"):
        shutil.copy(tmp_path / "cat/000.png", os.fsdecode(os.fsencode(tmp_path / "cat") + b"/" + name))
    one = source(tmp_path)
    assert {"cat/日本 №1.png", "cat/caf\\xe9.png"} <= {*one.split("train").names, *one.split("val").names}
    examples = read_all(one.split("train")) | read_all(one.split("val"))
    np.testing.assert_array_equal(examples["cat/caf\\xe9.png"]["image"], picture("cat", 0))
    json.dumps(one.report())


def test_chosen_classes_in_their_order(tmp_path):
    write(tmp_path, 4)
    one = source(tmp_path, classes=("eel", "cat"))
    assert one.info.class_names == ("eel", "cat")
    assert {name.split("/")[0]: int(label) for name, label in zip(one.split("train").names, one.split("train").labels, strict=True)} == {
        "eel": 0,
        "cat": 1,
    }
    with pytest.raises(DataError, match=r"data.classes: there is no folder cart in .*; it holds cat, dog, eel; did you mean \"cat\""):
        source(tmp_path, classes=("cart", "dog")).split("train")


def test_a_whole_folder_is_evaluated_with_the_classes_of_a_run(tmp_path):
    write(tmp_path, 4, names=("cat", "eel"))
    (tmp_path / "dog").mkdir()
    whole = type("ImageFolder", (ImageFolder,), {"whole": "val"})
    one = whole(Options(path=str(tmp_path), classes=("cat", "dog", "eel", "fox"), split="list", test_list="of_the_run.txt"), seed=0, base=tmp_path)
    assert one.split("val").labels.tolist() == [0] * 4 + [2] * 4
    assert len(one.info.class_names) == 4


def test_turned_cmyk_grey_indexed_and_deep_pictures(tmp_path):
    write(tmp_path, 5)
    image = np.zeros((8, 12, 3), np.uint8)
    image[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "cat/turned.png", exif=exif)
    Image.fromarray(image).convert("CMYK").save(tmp_path / "cat/cmyk.jpg", quality=95)
    Image.fromarray(image[..., 0]).save(tmp_path / "cat/grey.png")
    Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(tmp_path / "cat/deep.png")
    Image.fromarray(image).convert("P").save(tmp_path / "cat/indexed.png")
    Image.fromarray(np.dstack([image, image[..., :1]])).save(tmp_path / "cat/alpha.png")
    one = source(tmp_path)
    examples = read_all(one.split("train")) | read_all(one.split("val"))
    np.testing.assert_array_equal(examples["cat/turned.png"]["image"], np.rot90(image, -1))
    for name in ("cmyk.jpg", "grey.png", "deep.png", "indexed.png", "alpha.png"):
        np.testing.assert_allclose(examples[f"cat/{name}"]["image"], image, atol=6, err_msg=name)


def test_faulty_files_stop_the_training_by_name_or_are_left_out(tmp_path):
    write(tmp_path, 5)
    (tmp_path / "cat/000.png").write_bytes(b"")
    (tmp_path / "dog/001.png").write_bytes(b"<html>not found</html>")
    Image.new("RGB", (8, 8)).save(tmp_path / "eel/scan.tif")
    shutil.copy(tmp_path / "eel/003.png", tmp_path / "eel/003.jpg")
    (tmp_path / "fox").mkdir()
    with pytest.raises(DataError, match="4 faults stop the training") as caught:
        source(tmp_path).split("train")
    told = str(caught.value)
    for words in (
        "cat/000.png: the file is empty (zero bytes); copy the file again",
        "dog/001.png: not an image: it begins with b'<html>no'",
        "eel/scan.tif: .tif files can't be read",
        "fox: the folder of the class fox holds no picture; put pictures of the class into it, or remove the folder",
        "data.on_error: skip",
    ):
        assert words in told
    assert "003" not in told
    (tmp_path / "fox").rmdir()
    one = source(tmp_path, on_error="skip")
    assert len(one.split("train")) + len(one.split("val")) == 14
    assert {left["files"][0] for left in one.report()["left_out"]} == {"cat/000.png", "dog/001.png", "eel/scan.tif"}


def test_a_file_that_is_damaged_further_on_is_named_when_it_is_read(tmp_path):
    write(tmp_path, 8)
    whole = (tmp_path / "cat/002.png").read_bytes()
    (tmp_path / "cat/002.png").write_bytes(whole[: len(whole) // 2])
    one = source(tmp_path, size_px=16, batch=4)
    with pytest.raises(DataError, match=r"cat/002.png: .*(data.on_error: skip|kvision data check)"):
        Pipeline(one, one.options, FIELDS, 0).report()
    one = source(tmp_path, size_px=16, batch=4, on_error="skip")
    skipped = Pipeline(one, one.options, FIELDS, 0).report()["skipped"]
    assert [*skipped["train"], *skipped["val"]] == ["cat/002.png"]


def test_folders_that_are_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder .*none"):
        source(tmp_path / "none").split("train")
    with pytest.raises(DataError, match=r"holds no folders, one for each class is needed; put the pictures of each class"):
        source(tmp_path).split("train")
    (tmp_path / "labels.csv").write_text("image,label\n")
    with pytest.raises(DataError, match=r"it holds the list labels.csv: use data.source: image_list"):
        source(tmp_path).split("train")
    write(tmp_path / "archive", 3)
    with pytest.raises(DataError, match=r"holds the folder archive only, which holds cat, dog, eel; set data.path to .*archive if those"):
        source(tmp_path).split("train")
    write(tmp_path / "one", 3, names=("cat",))
    with pytest.raises(DataError, match=r"holds one class only, cat; add examples of another"):
        source(tmp_path / "one").split("train")
    write(tmp_path / "new/train", 3, names=("cat", "dog"))
    write(tmp_path / "new/val", 3)
    with pytest.raises(
        DataError, match=r"eel: the class eel has pictures in val but none in train; put pictures of the class into the training split"
    ):
        source(tmp_path / "new").split("train")
