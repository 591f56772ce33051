"""Solar cells: a small copy of the package's layout stands for the package."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.core.errors import DataError
from kvision.data.sources.elpv import Elpv, Options

PROBABILITIES = (0.0, 0.3333333333333333, 0.6666666666666666, 1.0)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    lines = []
    for number in range(24):
        Image.fromarray(np.full((6, 6), number, np.uint8)).save(images / f"cell{number:04}.png")
        lines.append(f"images/cell{number:04}.png  {PROBABILITIES[number % 4]} {'mono' if number < 8 else 'poly'}\n")
    (tmp_path / "data" / "labels.csv").write_text("".join(lines))
    monkeypatch.setitem(sys.modules, "elpv_dataset", types.SimpleNamespace(__file__=str(tmp_path / "__init__.py")))
    return tmp_path


def source(**options) -> Elpv:
    return Elpv(Options(**{"test_size": 6, "val_size": 4} | options), seed=0, base=Path())


def test_cells_are_defective_from_one_half_on_and_split_evenly(package: Path) -> None:
    one = source()
    assert one.info.class_names == ("functional", "defective")
    assert {name: len(split) for name, split in one.splits.items()} == {"train": 14, "val": 4, "test": 6}
    assert one.report()["class_counts"] == {"train": [7, 7], "val": [2, 2], "test": [3, 3]}
    split = one.split("train")
    for at, name in enumerate(split.names):
        number = int(name.removeprefix("images/cell").removesuffix(".png"))
        assert split.labels[at] == (number % 4 >= 2)
        example = split.read(tf.constant(at, tf.int64), frozenset({"image", "label"}))
        np.testing.assert_array_equal(example["image"], np.full((6, 6, 3), number))
    assert source().split("test").names == one.split("test").names
    assert source(split_seed=1).split("test").names != one.split("test").names


def test_one_kind_of_silicon_can_be_chosen(package: Path) -> None:
    names = [name for split in source(kind="mono", test_size=2, val_size=2).splits.values() for name in split.names]
    assert sorted(names) == [f"images/cell{number:04}.png" for number in range(8)]


def test_what_to_install_is_said(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "data" / "labels.csv").write_text("images/cell0001.png high mono\n")
    with pytest.raises(DataError, match=r"labels.csv: can't be read \(could not convert string to float: 'high'\); run `pip install --force-rein"):
        source().split("train")
    monkeypatch.setitem(sys.modules, "elpv_dataset", None)
    with pytest.raises(DataError, match=r"data\.source: elpv needs the package elpv-dataset; run `pip install elpv-dataset`"):
        source().split("train")
