"""Flickr8k and Flickr30k as they are published, and as Kaggle has them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.flickr import Flickr, Options
from tests.unit.data.captioned_pictures import captions, images, tokens


def source(root, **options):
    return Flickr(Options(path=str(root), **options), seed=0, base=root)


def test_token_file_and_lists(tmp_path):
    names = tokens(tmp_path)
    for split, members in (("train", names[:8]), ("dev", names[8:10]), ("test", names[10:11])):
        (tmp_path / f"Flickr_8k.{split}Images.txt").write_text("\n".join(members) + "\n")
    one = source(tmp_path)
    assert [len(one.split(split)) for split in ("train", "val", "test")] == [8, 2, 1]  # the last picture is in no list
    assert one.split("val").names == ["Flicker8k_Dataset/08.jpg", "Flicker8k_Dataset/09.jpg"]
    assert one.split("val").captions[0] == tuple(f"{text} ." for text in captions(8))
    example = one.split("val").read(tf.constant(1, tf.int64), frozenset({"image", "captions", "tokens"}))
    assert example["image"].shape == (32, 32, 3)
    assert example["captions"].numpy().tolist() == [f"{text} .".encode() for text in captions(9)]
    example = one.split("train").read(tf.constant(4, tf.int64), frozenset({"tokens"}))
    assert one.info.texts.vocabulary.decode(example["tokens"][3].numpy()) == captions(4)[3]
    report = one.report()
    assert report["split"] == "the data's own"
    assert report["references"]["train"] == {"captions": 40, "fewest": 5, "most": 5}
    assert report["lists"] == {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt", "test": "Flickr_8k.testImages.txt"}


def test_the_published_folders_of_text_and_pictures_lie_side_by_side(tmp_path):
    tokens(tmp_path)
    (tmp_path / "Flickr8k_text").mkdir()
    (tmp_path / "Flickr8k.token.txt").rename(tmp_path / "Flickr8k_text/Flickr8k.token.txt")
    one = source(tmp_path, val_split=0.25)
    assert (len(one.split("train")), len(one.split("val"))) == (9, 3)
    assert one.report()["captions"] == "Flickr8k_text/Flickr8k.token.txt"
    assert one.report()["split"] == "val drawn by the hash of each name, seed 0"
    assert source(tmp_path, val_split=0.25).split("val").names == one.split("val").names


def test_the_tables_of_kaggle(tmp_path):
    names = images(tmp_path / "a/Images")
    with (tmp_path / "a/captions.txt").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "caption"])
        writer.writerows((name, f"{text}, it is said") for number, name in enumerate(names) for text in captions(number))
    one = source(tmp_path / "a")
    assert one.split("train").names[0].startswith("Images/")
    assert {len(each) for each in one.split("train").captions} == {5}
    assert one.split("train").captions[0][0].endswith(", it is said")
    images(tmp_path / "b/flickr30k_images/flickr30k_images")
    lines = [f"{name}| {place}| {text}" for number, name in enumerate(names) for place, text in enumerate(captions(number))]
    (tmp_path / "b/flickr30k_images/results.csv").write_text("\n".join(["image_name| comment_number| comment", *lines]))
    one = source(tmp_path / "b")
    number = int(one.split("val").names[0][-6:-4])
    assert one.split("val").captions[0] == tuple(captions(number))


def test_pictures_without_captions_and_captions_without_pictures(tmp_path):
    tokens(tmp_path, range(10))
    images(tmp_path / "Flicker8k_Dataset", range(10, 12), ".jpg")
    with (tmp_path / "Flickr8k.token.txt").open("a") as stream:
        stream.write("gone.jpg.1#0\ta picture that is not there\n")
    with pytest.raises(DataError, match=r"(?s)1 fault stops.*gone.jpg.1: there is no such file; .*data.on_error: skip"):
        source(tmp_path).split("train")
    one = source(tmp_path, on_error="skip")
    assert len(one.split("train")) + len(one.split("val")) == 10
    assert one.report()["left_out"][0]["files"] == ["Flicker8k_Dataset/gone.jpg.1"]
    assert one.report()["warnings"][0] == (
        "Flicker8k_Dataset/10.jpg: has no caption (and 1 more like it); give it a caption, or remove it; it is left out meanwhile"
    )


def test_what_is_wrong_is_named_by_line(tmp_path):
    with pytest.raises(DataError, match=r"holds no file of captions, such as Flickr8k.token.txt.*data.captions"):
        source(tmp_path).split("train")
    file = tmp_path / "Flickr8k.token.txt"
    file.write_text("a.jpg#0\ta dog\nb.jpg a cat\n")
    with pytest.raises(DataError, match=r"Flickr8k.token.txt:2: got 'b.jpg a cat', expected image.jpg#0, a tab and the caption"):
        source(tmp_path).split("train")
    file.write_bytes("a.jpg#0\ta dog\na.jpg#1\ta café\n".encode("latin1"))
    with pytest.raises(DataError, match=r"line 2 is not UTF-8: it holds the byte 0xe9; save it as UTF-8, for example by `iconv"):
        source(tmp_path).split("train")
    file.write_text("name,words\na.jpg,a dog\n")
    with pytest.raises(DataError, match=r"but the columns name, words; say what they are with data.source: caption_list"):
        source(tmp_path).split("train")
    tokens(tmp_path)
    (tmp_path / "some.txt").write_text("00.jpg\nzz.jpg\n")
    with pytest.raises(DataError, match=r"some.txt:2: there is no image 'zz.jpg'"):
        source(tmp_path, val_list="some.txt").split("train")


def test_a_caption_ends_where_its_line_ends(tmp_path):
    tokens(tmp_path, range(3))
    with (tmp_path / "Flickr8k.token.txt").open("a", newline="") as stream:
        stream.write("02.jpg#5\ta dog\u2028and a cat\r\n")
    (captions_of,) = [each for split in source(tmp_path).splits.values() for each in split.captions if len(each) == 6]
    assert captions_of[5] == "a dog and a cat"


def test_numbers_are_made_of_the_training_captions_alone(tmp_path):
    names = tokens(tmp_path, range(4))
    text = (tmp_path / "Flickr8k.token.txt").read_text()
    (tmp_path / "Flickr8k.token.txt").write_text(text + "03.jpg#5\tan okapi of its own\n")
    (tmp_path / "val.txt").write_text(names[3])
    one = source(tmp_path, val_list="val.txt")
    assert len(one.split("train")) == 3
    assert "okapi" not in one.info.texts.vocabulary.tokens
    example = one.split("val").read(tf.constant(0, tf.int64), frozenset({"tokens"}))["tokens"].numpy()
    assert example.shape == (6, one.info.texts.length + 2)
    assert (example[5] == 3).sum() == sum(word not in one.info.texts.vocabulary.tokens for word in ["an", "okapi", "of", "its", "own"])
    assert np.array_equal(one.split("val").lengths, [(example > 0).sum(1).max()])
