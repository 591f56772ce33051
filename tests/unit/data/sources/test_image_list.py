from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.check import check
from kvision.data.sources.image_list import ImageList, Options
from tests.unit.data.class_folders import picture, write


def source(root, **options):
    return ImageList(Options(path=str(root), **options), seed=0, base=root)


def table(file, rows):
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def rows_of(count=6, **more):
    return [{"image": f"{name}/{number:03}.png", "label": name, **more} for name in ("cat", "dog", "eel") for number in range(count)]


def test_one_label_each(tmp_path):
    write(tmp_path, 6)
    table(tmp_path / "labels.csv", rows_of())
    one = source(tmp_path, val_split=1 / 3)
    assert one.info.class_names == ("cat", "dog", "eel")
    assert one.info.fields == {"image", "label"}
    assert one.report()["class_counts"] == {"train": [4, 4, 4], "val": [2, 2, 2]}
    val = one.split("val")
    for number, name in enumerate(val.names):
        example = val.read(tf.constant(number, tf.int64), frozenset({"image", "label"}))
        kind = name.split("/")[0]
        assert one.info.class_names[int(example["label"])] == kind
        np.testing.assert_array_equal(example["image"], picture(kind, int(name[-7:-4])))


def test_numbers_are_classes_in_their_order_and_can_be_named(tmp_path):
    write(tmp_path, 6)
    numbers = {"cat": 10, "dog": 9, "eel": 0}
    table(tmp_path / "labels.csv", [{"file": row["image"][:-4], "category": numbers[row["label"]]} for row in rows_of()])
    assert source(tmp_path, suffix=".png").info.class_names == ("0", "9", "10")
    table(tmp_path / "labels.csv", [{"file": row["image"], "category": len(row["label"]) % 2} for row in rows_of()])
    one = source(tmp_path, classes=("even", "odd"))
    assert one.info.class_names == ("even", "odd")
    assert set(one.split("train").labels.tolist()) == {1}


def test_several_labels_with_a_separator(tmp_path):
    write(tmp_path, 6)
    words = {"cat": "fur; land", "dog": "fur;land;loud", "eel": ""}
    table(tmp_path / "labels.csv", [row | {"label": words[row["label"]]} for row in rows_of()])
    one = source(tmp_path, separator=";")
    assert one.info.class_names == ("fur", "land", "loud")
    assert one.info.fields == {"image", "targets"}
    targets = {name.split("/")[0]: row.tolist() for name, row in zip(one.split("train").names, one.split("train").labels, strict=True)}
    assert targets == {"cat": [1, 1, 0], "dog": [1, 1, 1], "eel": [0, 0, 0]}
    example = one.split("train").read(tf.constant(0, tf.int64), frozenset({"targets"}))
    assert example["targets"].dtype == tf.float32


def test_several_labels_in_json_lines(tmp_path):
    write(tmp_path, 4)
    lines = [json.dumps({"path": row["image"], "tags": [row["label"], "animal"]}) for row in rows_of(4)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    one = source(tmp_path, list="a.jsonl")
    assert one.info.class_names == ("animal", "cat", "dog", "eel")
    assert one.split("train").labels.sum(1).tolist() == [2] * len(one.split("train"))


def test_the_split_stands_in_a_column_or_in_lists_of_their_own(tmp_path):
    write(tmp_path, 6)
    places = ["train", "train", "train", "Validation", "dev", "TEST"] * 3
    table(tmp_path / "labels.csv", [row | {"split": place} for row, place in zip(rows_of(), places, strict=True)])
    one = source(tmp_path)
    assert [len(one.split(name)) for name in ("train", "val", "test")] == [9, 6, 3]
    assert one.report()["split"] == "the data's own"
    table(tmp_path / "labels.csv", [row | {"split": "holdout"} for row in rows_of()])
    with pytest.raises(DataError, match=r"labels.csv: the split 'holdout' is none of train, training, val, valid"):
        source(tmp_path).split("train")
    rows = rows_of()
    table(tmp_path / "train.csv", rows[::2])
    table(tmp_path / "test.csv", rows[1::2])
    one = source(tmp_path, list="train.csv", test_list="test.csv")
    assert sorted(one.split("test").names) == sorted(row["image"] for row in rows[1::2])


def test_faulty_rows_and_files_are_named(tmp_path):
    write(tmp_path, 6)
    rows = [*rows_of(), {"image": "cat/none.png", "label": "cat"}, {"image": "cat/000.png", "label": "dog"}, {"image": "dog/000.png", "label": ""}]
    table(tmp_path / "labels.csv", rows)
    with pytest.raises(DataError, match="3 faults stop the training") as caught:
        source(tmp_path).split("train")
    for words in (
        "cat/none.png: there is no such file; copy",
        "cat/000.png: stands 2 times",
        "dog/000.png: has no label in the list",
    ):
        assert words in str(caught.value)
    table(tmp_path / "labels.csv", [row | {"label": "cta"} if number == 3 else row for number, row in enumerate(rows_of())])
    words = r"cat/003.png: the label 'cta' is none of the 3 classes; did you mean \"cat\"\?; mend it, or add it to data.classes"
    with pytest.raises(DataError, match=words):
        source(tmp_path, classes=("cat", "dog", "eel")).split("train")


def test_classes_that_numbers_stand_for(tmp_path):
    write(tmp_path, 6)
    grades = {"cat": "0.0", "dog": "0.3333", "eel": "1.0"}
    (tmp_path / "labels.csv").write_text("".join(f"{row['image']}   {grades[row['label']]}  mono\n" for row in rows_of()))
    meaning = {"0.0": "intact", "0.3333": "intact", "1.0": "broken"}
    one = source(tmp_path, columns=("image", "label", "kind"), label_names=meaning, val_split=1 / 3)
    assert one.info.class_names == ("broken", "intact")
    assert one.report()["class_counts"] == {"train": [4, 8], "val": [2, 4]}
    with pytest.raises(DataError, match=r"dog/000.png: the label '0.3333' is not in data.label_names, which has 0.0, 1.0; add it"):
        source(tmp_path, columns=("image", "label", "kind"), label_names={"0.0": "intact", "1.0": "broken"}).split("train")


def test_columns_that_can_not_be_guessed(tmp_path):
    write(tmp_path, 4)
    table(tmp_path / "labels.csv", [{"picture": row["image"], "what": row["label"]} for row in rows_of(4)])
    with pytest.raises(DataError, match=r"labels.csv: which column holds the images\? It has picture, what; say it by data.image_column"):
        source(tmp_path).split("train")
    assert len(source(tmp_path, image_column="picture", label_column="what").split("train")) == 10


def test_parquet_with_the_pictures_inside(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    write(tmp_path, 4)
    rows = [
        {"image": {"bytes": (tmp_path / row["image"]).read_bytes(), "path": row["image"]}, "label": number % 3}
        for number, row in enumerate(rows_of(4))
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    one = source(tmp_path, list="a.parquet", val_split=0.25)
    train = one.split("train")
    data = tf.data.Dataset.range(len(train)).map(lambda index: train.read(index, frozenset({"image", "label"})))
    for name, example in zip(train.names, data.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(example["image"], picture(name[:3], int(name[-7:-4])))
        assert example["label"] == [row["image"] for row in rows_of(4)].index(name) % 3


def test_a_row_without_label_among_pictures_inside(tmp_path):
    """It is skipped where that is asked for, and the pictures inside are not looked for as files."""
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    write(tmp_path, 4)
    rows = [{"image": {"bytes": (tmp_path / row["image"]).read_bytes(), "path": None}, "label": row["label"]} for row in rows_of(4)]
    parquet.write_table(pa.Table.from_pylist([*rows[:-1], {**rows[-1], "label": None}]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet/11: has no label in the list; .*\n.*data.on_error: skip"):
        source(tmp_path, list="a.parquet").split("train")
    one = source(tmp_path, list="a.parquet", on_error="skip")
    assert sum(len(split) for split in one.splits.values()) == 11
    assert one.report()["left_out"] == [{"kind": "no-label", "files": ["a.parquet/11"], "reason": "has no label in the list"}]
    found = check(source(tmp_path, list="a.parquet", val_split=0.3))
    assert [(finding.kind, finding.files) for finding in found] == [("no-label", ("a.parquet/11",))]


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a.parquet: reading Parquet needs the package pyarrow; run `pip install pyarrow`"):
        source(tmp_path, list="a.parquet").split("train")
