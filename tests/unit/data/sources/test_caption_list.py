"""Captions in tables and JSON Lines."""

from __future__ import annotations

import json

import pytest

from kvision.core.errors import DataError
from kvision.data.sources.caption_list import CaptionList, Options
from tests.unit.data.captioned_pictures import captions, images


def source(root, **options):
    return CaptionList(Options(path=str(root), **options), seed=0, base=root)


def test_a_row_for_each_caption_and_a_column_of_the_split(tmp_path):
    names = images(tmp_path / "images")
    rows = [f"images/{name},{text},{'dev' if number < 3 else 'train'}" for number, name in enumerate(names) for text in captions(number, 3)]
    (tmp_path / "captions.csv").write_text("\n".join(["file,sentence,split", *rows]))
    one = source(tmp_path)
    assert (len(one.split("train")), one.split("val").names) == (9, ["images/00.png", "images/01.png", "images/02.png"])
    assert one.split("val").captions[2] == tuple(captions(2, 3))
    assert one.report()["references"]["val"] == {"captions": 9, "fewest": 3, "most": 3}


def test_lists_of_captions_in_json_lines(tmp_path):
    names = images(tmp_path)
    lines = [json.dumps({"file_name": name, "text": captions(number, 1 + number % 3)}) for number, name in enumerate(names)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    one = source(tmp_path, list="metadata.jsonl", val_size=3)
    assert (len(one.split("train")), len(one.split("val"))) == (9, 3)
    left = dict(zip(one.split("train").names, one.split("train").captions, strict=True))
    assert left == {name: tuple(captions(int(name[:2]), 1 + int(name[:2]) % 3)) for name in left}
    (single,) = [fault for fault in one.collected.faults if fault.files == ("03.png",)]
    assert (single.kind, single.message) == ("one-reference", "has one caption only")


def test_empty_captions_are_left_out_and_counted(tmp_path):
    names = images(tmp_path, range(6))
    cells = [["a dog", " "], ["...", "a cat"], [None, ""], ["one\ntwo  three"], ["42"], ["a cat"]]
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps({"image": name, "caption": cell}) for name, cell in zip(names, cells, strict=True)))
    one = source(tmp_path, list="captions.jsonl", val_size=1)
    left = {name: each for split in one.splits.values() for name, each in zip(split.names, split.captions, strict=True)}
    assert left == {"00.png": ("a dog",), "01.png": ("a cat",), "03.png": ("one two three",), "04.png": ("42",), "05.png": ("a cat",)}
    found = [(fault.kind, fault.files[0], fault.message) for fault in one.collected.faults if fault.kind != "one-reference"]
    assert found == [
        ("empty-caption", "00.png", "1 of its 2 captions without a word"),
        ("empty-caption", "01.png", "1 of its 2 captions without a word"),
        ("empty-caption", "02.png", "2 of its 2 captions without a word"),
        ("no-caption", "02.png", "has no caption"),
    ]
    assert [line.partition(":")[0] for line in one.report()["warnings"]] == ["00.png", "00.png", "02.png"]  # a line for each kind
    assert "..." in {
        text
        for split in source(tmp_path, list="captions.jsonl", val_size=1, pieces="character").splits.values()
        for each in split.captions
        for text in each
    }


def test_what_is_wrong_is_named(tmp_path):
    images(tmp_path, range(3))
    file = tmp_path / "captions.csv"
    for text, words in (
        ("image,note\n00.png,a dog\n", r"which column holds the captions\? It has image, note; say it by data.caption_column"),
        ("image,caption\n00.png\n", r"captions.csv:2: has fewer values than the 2 columns"),
        ("image,caption,split\n00.png,a dog,val\n", "captions.csv names no training picture"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=words):
            source(tmp_path).split("train")
    file.write_bytes(b"image,caption\n00.png,a dog\n01.png,na\xefve\n")
    with pytest.raises(DataError, match=r"captions.csv: line 3 is not UTF-8: it holds the byte 0xef; save it as UTF-8"):
        source(tmp_path).split("train")
    (tmp_path / "captions.jsonl").write_text(json.dumps({"image": "00.png", "caption": [3]}))
    with pytest.raises(DataError, match=r"00.png: the caption is 3; accepted: a text, or a list of texts"):
        source(tmp_path, list="captions.jsonl").split("train")
