"""Hugging Face's data sets: the package itself where it is installed, on a local folder; else what is said without it."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.sources.huggingface import Huggingface, Options
from tests.unit.data.class_folders import COLOURS, picture, write

NAMES = list(COLOURS)


class Image:
    """Stands for the package's feature of pictures."""

    def __init__(self, *, decode=True):
        self.decode = decode


class Table:
    """Stands for one of the package's splits."""

    def __init__(self, columns, features):
        self.columns, self.features = columns, features

    def __len__(self):
        return len(self.columns["label"])

    def __getitem__(self, key):
        return self.columns[key] if isinstance(key, str) else {name: values[key] for name, values in self.columns.items()}

    def cast_column(self, name, kind):
        assert not kind.decode
        return Table(self.columns, self.features | {name: kind})


def source(root, **options):
    return Huggingface(Options(**options), seed=0, base=root)


def fake(monkeypatch, load):
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load, Image=Image))


def table(root, first, count, label):
    cells = [{"bytes": (root / f"{name}/{number:03}.png").read_bytes(), "path": None} for number in range(first, first + count) for name in NAMES]
    labels = [value for _ in range(count) for value in range(3)]
    kinds = {
        "one": types.SimpleNamespace(names=NAMES),
        "several": types.SimpleNamespace(feature=types.SimpleNamespace(names=NAMES)),
        "words": object(),
    }
    made = {"one": labels, "several": [[value, 0] for value in labels], "words": [NAMES[value].upper() for value in labels]}
    return Table({"picture": cells, "label": made[label]}, {"picture": Image(), "label": kinds[label]})


@pytest.mark.parametrize("label", ["one", "several", "words"])
def test_rows_become_examples(tmp_path, monkeypatch, label):
    write(tmp_path, 6)
    asked = []

    def load(name, config, *, data_dir, revision):
        asked.append((name, config, data_dir, revision))
        secret = table(tmp_path, 0, 1, "one")
        secret.columns["label"] = [-1] * 3
        return {"train": table(tmp_path, 0, 4, label), "validation": table(tmp_path, 4, 2, label), "extra": None, "test": secret}

    fake(monkeypatch, load)
    one = source(tmp_path, name="me/animals", revision="v1")
    assert sorted(one.splits) == ["train", "val"]
    val = one.split("val")
    assert asked == [("me/animals", None, None, "v1")]
    assert one.info.class_names == tuple(NAMES if label != "words" else [name.upper() for name in NAMES])
    assert one.info.fields == {"image", "targets" if label == "several" else "label"}
    assert val.labels.tolist() == ([[1, 0, 0], [1, 1, 0], [1, 0, 1]] * 2 if label == "several" else [0, 1, 2] * 2)
    data = tf.data.Dataset.range(len(val)).map(lambda index: val.read(index, frozenset({"image"})))
    for number, example in enumerate(data.as_numpy_iterator()):
        np.testing.assert_array_equal(example["image"], picture(NAMES[number % 3], 4 + number // 3))


def test_what_is_wrong_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"data.name: a/b: reading Hugging Face's data sets needs the package datasets; run `pip install datasets`"):
        source(tmp_path, name="a/b").split("train")

    def offline(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'a/b' on the Hub\nmore")

    fake(monkeypatch, offline)
    with pytest.raises(DataError, match=r"data.name: a/b could not be loaded \(Couldn't reach 'a/b' on the Hub\); look the name up"):
        source(tmp_path, name="a/b").split("train")
    write(tmp_path, 4)
    fake(monkeypatch, lambda *args, **kwargs: {"test": None})
    with pytest.raises(DataError, match=r"data.name: a/b has the splits test, but no train"):
        source(tmp_path, name="a/b").split("train")
    fake(monkeypatch, lambda *args, **kwargs: {"train": table(tmp_path, 0, 4, "one")})
    with pytest.raises(DataError, match=r"data.label_column: there is no column 'labl'; there are picture, label; did you mean \"label\""):
        source(tmp_path, name="a/b", label_column="labl").split("train")
    with pytest.raises(DataError, match=r"data.image_column: there is no column 'img'"):
        source(tmp_path, name="a/b", image_column="img").split("train")


def test_the_package_itself_on_a_local_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    pytest.importorskip("datasets")
    write(tmp_path / "set/train", 6)
    write(tmp_path / "set/test", 2, first=9)
    one = source(tmp_path, name="imagefolder", data_dir="set", val_split=1 / 3)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [12, 6, 6]
    assert one.info.class_names == tuple(NAMES)
    test = one.split("test")
    found = {int(test.labels[k]): test.read(tf.constant(k, tf.int64), frozenset({"image"}))["image"].numpy() for k in range(6)}
    for k, image in found.items():
        assert any((image == picture(NAMES[k], number)).all() for number in (9, 10))
