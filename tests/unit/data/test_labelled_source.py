"""What every classification source gets from its base: splits, facts and the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kvision.core.errors import DataError
from kvision.data import labelled_source
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions


class Fake(LabelledSource):
    """Twenty pictures of 8x8, of two classes or of several each; with a test split of its own if asked for."""

    several = False
    own_test = False

    def find(self):
        labels = np.arange(20, dtype=np.int32) % 2
        made = np.stack([labels, np.ones(20)], 1).astype(np.uint8) if self.several else labels
        pools = {name: self.arrays(np.zeros((20, 8, 8), np.uint8), made, name) for name in ("train", *(["test"] if self.own_test else []))}
        return Found(pools, ("cat", "dog"), {"folder": "/data"})


def source(kind=Fake, **options):
    return kind(SplitOptions(source="fake", **options), seed=0, base=Path())


@pytest.mark.parametrize(("several", "field"), [(False, "label"), (True, "targets")])
def test_the_labels_say_which_field_there_is(several, field):
    info = source(type("Kind", (Fake,), {"several": several})).info
    assert info.fields == {"image", field}
    assert info.class_names == ("cat", "dog")
    assert len(set(info.palette)) == 2
    assert (0, 0, 0) not in info.palette  # black is the background's


def test_the_report_keeps_rule_counts_and_files():
    report = source(val_split=0.2, test_split=0.1, split_seed=5).report()
    assert report["split"] == "test and val drawn by the hash of each name within its class, seed 5"
    assert report["class_counts"] == {"train": [7, 7], "val": [2, 2], "test": [1, 1]}
    assert list(report["files"]) == ["train", "val", "test"]
    assert report["folder"] == "/data"
    own = source(type("Kind", (Fake,), {"own_test": True}), val_split=0.2).report()
    assert own["split"] == "val drawn by the hash of each name within its class, seed 0"
    assert own["files"]["test"] == "test: 0-19"


def test_a_split_that_is_not_there_says_how_to_get_it():
    with pytest.raises(DataError, match=r"data.source: fake has no test split; set data.test_split, such as 0.2"):
        source().split("test")
    assert len(source(test_size=4).split("test")) == 4


def test_the_whole_of_it_as_one_split():
    whole = source(type("Kind", (Fake,), {"whole": "val"}), val_split=0.2)
    assert len(whole.split("val")) == 20


@pytest.mark.parametrize(("size", "fit", "in_memory"), [(8, "resize", True), (16, "resize", False), (16, "crop", True)])
def test_pictures_that_must_be_scaled_are_left_to_the_pipeline(size, fit, in_memory):
    assert source(size_px=size, fit=fit).split("train").in_memory is in_memory


def test_counts():
    assert labelled_source.counts(np.array([0, 2, 2]), 4).tolist() == [1, 0, 2, 0]
    assert labelled_source.counts(np.array([[1, 0], [1, 1]], np.uint8), 2).tolist() == [2, 1]


def test_paths_begin_at_the_recipe_or_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    one = Fake(SplitOptions(source="fake"), seed=0, base=Path("/recipes"))
    assert [str(one.located(path)) for path in ("a/b", "/a", "~/a")] == ["/recipes/a/b", "/a", "/home/me/a"]


def test_a_path_of_the_command_line_begins_at_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    one = Fake(SplitOptions(source="fake"), seed=0, base=Path("/recipes"))
    assert [str(one.located(path)) for path in ("pictures", "none")] == [str(tmp_path / "pictures"), "/recipes/none"]
