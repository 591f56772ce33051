"""What all sources of captions have in common: splits, what is left out, and what is told."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.core.errors import DataError
from kvision.data.captioned_source import Captioned, CaptionedSource, CaptionOptions, Collected
from kvision.data.pipeline import Pipeline
from kvision.data.sources.caption_folder import CaptionFolder
from tests.unit.data.captioned_pictures import beside, images, picture


def folder(root, **options):
    return CaptionFolder(CaptionFolder.Options(path=str(root), **options), seed=0, base=root)


class Given(CaptionedSource):
    """Two pictures, of which the second is said to be for validation."""

    Options = CaptionOptions

    def collect(self):
        first, second = (Captioned(name, self.root / name, sentences=("a ring", "one ring")) for name in ("00.png", "01.png"))
        return Collected({"train": [first], "val": [second]}, facts={"kind": "given"})


def test_splits_of_the_datas_own_and_a_report(tmp_path):
    images(tmp_path, range(2))
    source = Given(CaptionOptions(source="given", path=str(tmp_path)), seed=0, base=tmp_path)
    assert source.report() == {
        "split": "the data's own",
        "references": {split: {"captions": 2, "fewest": 2, "most": 2} for split in ("train", "val")},
        "folder": str(tmp_path),
        "kind": "given",
        "files": {"train": ["00.png"], "val": ["01.png"]},
        "left_out": [],
        "warnings": [],
    }
    with pytest.raises(DataError, match=r"given has no test split; set data.test_split"):
        source.split("test")


def test_shares_are_drawn_by_name_alone(tmp_path):
    beside(tmp_path / "a", range(12))
    beside(tmp_path / "b", range(12))
    for number in (1, 5):
        (tmp_path / f"b/{number:02}.txt").unlink()
    first, fewer = (folder(tmp_path / name, val_size=4, test_size=2) for name in ("a", "b"))
    names = {split: set(first.split(split).names) for split in ("train", "val", "test")}
    assert [len(names[split]) for split in ("train", "val", "test")] == [6, 4, 2]
    assert len(names["val"] - set(fewer.split("val").names)) <= 2
    with pytest.raises(DataError, match=r"data.val_size: 12 asks for 12 of 12 examples; one must be left to train on; use at most 11"):
        folder(tmp_path / "a", val_size=12).split("train")


def test_pictures_lie_as_exif_says_and_fewer_sentences_are_filled_up(tmp_path):
    beside(tmp_path, range(3), 2)
    (tmp_path / "00.txt").write_text("one sentence")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture(1)[:20]).save(tmp_path / "01.jpg", exif=turned)
    (tmp_path / "01.png").unlink()
    split = type("Whole", (CaptionFolder,), {"whole": "val"})(folder(tmp_path).options, seed=0, base=tmp_path)
    texts = type("Texts", (), {"rows": lambda self, sentences, most: np.zeros([len(sentences), most, 4], np.int32)})()
    split.__dict__["_texts"] = texts
    val = split.split("val")
    assert val.names == ["00.png", "01.jpg", "02.png"]
    example = val.read(tf.constant(1, tf.int64), frozenset({"image"}))
    assert example.keys() == {"image"}
    assert example["image"].shape == (32, 20, 3)
    found = val.read(tf.constant(0, tf.int64), frozenset({"captions", "tokens"}))
    assert found["captions"].numpy().tolist() == [b"one sentence", b""]
    assert found["tokens"].shape == (2, 4)
    np.testing.assert_array_equal(val.read(tf.constant(2, tf.int64), frozenset({"image"}))["image"], picture(2))


def test_a_damaged_picture_stops_or_is_left_out_with_its_sentences(tmp_path):
    beside(tmp_path, range(8))
    (tmp_path / "02.png").write_bytes((tmp_path / "02.png").read_bytes()[:-60])
    options = {"size_px": 32, "batch": 2, "val_size": 1, "buckets": 2}
    source = folder(tmp_path, **options, on_error="skip")
    pipeline = Pipeline(source, source.options, frozenset({"tokens", "captions"}), 0)
    assert pipeline.num_train == 6
    assert pipeline.report()["skipped"]["train"] == ["02.png"]
    for batch in pipeline.train(0).take(pipeline.steps_per_epoch).as_numpy_iterator():
        for index, captions in zip(batch["index"], batch["captions"], strict=True):
            name = pipeline.name("train", index)
            assert name != "02.png"
            assert (tmp_path / name).with_suffix(".txt").read_text().split("\n")[0] == captions[0].decode()
    source = folder(tmp_path, **options)
    with pytest.raises(DataError, match=r"02.png: .*Mend or remove the file, or set data.on_error: skip"):
        _ = Pipeline(source, source.options, frozenset({"tokens"}), 0).num_train


def test_classes_that_are_not_there_can_not_be_balanced(tmp_path):
    beside(tmp_path, range(8))
    source = folder(tmp_path, balance=True, size_px=32, batch=2)
    with pytest.raises(DataError, match=r"data.balance: caption_folder has no classes of whole pictures to balance"):
        Pipeline(source, source.options, frozenset({"tokens"}), 0).indices(0)
