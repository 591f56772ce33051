"""Folders of pictures with captions, in whatever layout."""

from __future__ import annotations

import shutil

import pytest

from kvision.core.errors import DataError
from kvision.data.sources.caption_folder import CaptionFolder, Options
from tests.unit.data.captioned_pictures import beside, captions, images, tokens
from tests.unit.data.sources import test_coco_captions


def source(root, **options):
    return CaptionFolder(Options(path=str(root), **options), seed=0, base=root)


def test_text_files_beside_the_pictures(tmp_path):
    beside(tmp_path / "deep", count=4)
    one = source(tmp_path, val_size=3)
    assert (len(one.split("train")), len(one.split("val"))) == (9, 3)
    name = one.split("val").names[0]
    assert one.split("val").captions[0] == tuple(captions(int(name[5:7]), 4))
    assert one.report()["layout"] == "a .txt file beside each picture"


def test_sub_folders_are_splits(tmp_path):
    beside(tmp_path / "train", range(8))
    beside(tmp_path / "valid", range(8, 11))
    assert source(tmp_path).split("val").names == ["valid/08.png", "valid/09.png", "valid/10.png"]


def test_all_of_a_folder_can_be_one_split(tmp_path):
    beside(tmp_path)
    one = type("Whole", (CaptionFolder,), {"whole": "val"})(Options(path=str(tmp_path)), seed=0, base=tmp_path)
    assert len(one.split("val")) == 12


def test_the_other_layouts_are_recognised(tmp_path):
    tokens(tmp_path / "flickr")
    one = source(tmp_path / "flickr", val_size=2)
    assert (one.report()["layout"], len(one.split("train"))) == ("flickr", 10)
    test_coco_captions.write(tmp_path / "coco", "train2014", range(6))
    assert source(tmp_path / "coco").report()["layout"] == "coco_captions"
    names = images(tmp_path / "list")
    (tmp_path / "list/metadata.csv").write_text("\n".join(["file_name,text", *(f"{name},a picture" for name in names)]))
    one = source(tmp_path / "list", max_length=2)
    assert (one.report()["layout"], one.info.texts.length) == ("caption_list", 2)


def test_bad_input_is_named(tmp_path):
    beside(tmp_path, range(6))
    (tmp_path / "02.txt").write_bytes("ein grüner Ring".encode("latin1"))
    (tmp_path / "03.txt").unlink()
    (tmp_path / "04.txt").write_text("\n")
    (tmp_path / "notes.txt").write_text("taken in May")
    with pytest.raises(DataError, match=r"(?s)1 fault stops.*02.txt: line 1 is not UTF-8: it holds the byte 0xfc; save it as UTF-8"):
        source(tmp_path).split("train")
    one = source(tmp_path, on_error="skip", val_size=1)
    assert sorted(name for split in one.splits.values() for name in split.names) == ["00.png", "01.png", "05.png"]
    assert [(fault.kind, fault.files) for fault in one.collected.faults] == [
        ("not-utf8", ("02.txt",)),
        ("extra-caption", ("notes.txt",)),
        ("no-caption", ("02.png",)),
        ("no-caption", ("03.png",)),
        ("no-caption", ("04.png",)),
    ]
    for file in tmp_path.glob("*.txt"):
        file.unlink()
    with pytest.raises(DataError, match=r"holds 6 pictures and no captions of them; put a .txt file of the same name beside each"):
        source(tmp_path).split("train")
    shutil.rmtree(tmp_path)
    with pytest.raises(DataError, match=r"data.path: there is no folder"):
        source(tmp_path).split("train")
