"""Pairs of texts: of files and generated ones."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from kvision.core.errors import DataError
from kvision.data import check
from kvision.data.sources.text_pairs import TextPairs
from kvision.data.sources.text_tasks import TextTasks

FIELDS = frozenset({"source", "target"})


def pairs(folder: Path, **options: Any) -> TextPairs:
    return TextPairs(TextPairs.Options(**{"path": "pairs.tsv", **options}), seed=0, base=folder)


def tasks(**options: Any) -> TextTasks:
    return TextTasks(TextTasks.Options(**{"train_size": 200, "val_size": 50, **options}), seed=0, base=Path())


def texts(made: Any, name: Any) -> list[tuple[str, str]]:
    split, decode = made.split(name), made.info.texts.vocabulary.decode
    rows = split.read(tf.range(len(split), dtype=tf.int64), FIELDS)
    return [(decode(source), decode(target)) for source, target in zip(rows["source"].numpy(), rows["target"].numpy(), strict=True)]


def table(folder: Path, rows: list[tuple[str, str]], header: str = "source\ttarget") -> None:
    (folder / "pairs.tsv").write_text("\n".join([header, *("\t".join(row) for row in rows)]))


def test_every_pair_is_in_one_split_and_the_same_text_in_one_only(tmp_path: Path) -> None:
    given = [(f"word {number % 60}", f"{number} times") for number in range(90)]
    table(tmp_path, given)
    made = pairs(tmp_path, val_split=0.3)
    train, val = texts(made, "train"), texts(made, "val")
    assert len(train) + len(val) == 90
    assert not {source for source, _ in train} & {source for source, _ in val}
    assert made.split("train").captions[0] == given[int(made.split("train").names[0].partition(":")[2]) - 1]


def test_a_table_of_its_own_and_columns_by_name(tmp_path: Path) -> None:
    table(tmp_path, [("ja", "yes", "x"), ("nein", "no", "x")], "german\tenglish\tnote")  # type: ignore[list-item]
    (tmp_path / "val.jsonl").write_text('{"english": "no", "german": "nein"}\n')
    made = pairs(tmp_path, val_path="val.jsonl", from_column="german", to_column="english")
    assert texts(made, "train") == [("ja", "yes"), ("nein", "no")]
    assert texts(made, "val") == [("nein", "no")]
    with pytest.raises(DataError, match=r"data\.to_column: .* has no column 'englisch'; it has german, english, note"):
        pairs(tmp_path, val_path="val.jsonl", to_column="englisch").split("train")


def test_rows_are_start_text_end_padding(tmp_path: Path) -> None:
    table(tmp_path, [("a b", "c"), ("a", "c d e")])
    made = pairs(tmp_path, val_path="pairs.tsv")
    rows = made.split("train").read(tf.constant(0, tf.int64), FIELDS)
    assert rows["source"].shape == rows["target"].shape == (5,)
    np.testing.assert_array_equal(np.sign(rows["source"].numpy()), [1, 1, 1, 1, 0])
    assert rows["target"].numpy()[[0, 2]].tolist() == [1, 2]


def test_faults_of_tables_say_what_is_missing(tmp_path: Path) -> None:
    table(tmp_path, [("a", "b")] * 3)
    with pytest.raises(DataError, match=r"data\.val_split: 0\.1 of the 3 pairs leaves one split empty; give more pairs, or data\.val_path"):
        pairs(tmp_path).split("train")
    (tmp_path / "one.tsv").write_text("word\na\n")
    with pytest.raises(DataError, match=r"one\.tsv: has the one column word; a pair needs two"):
        pairs(tmp_path, path="one.tsv").split("train")


@pytest.mark.parametrize("task", ["dates", "reverse"])
def test_tasks_are_right_the_same_each_time_and_disjoint(task: str) -> None:
    made = tasks(task=task)
    train, val = made.drawn("train"), made.drawn("val")
    assert (len(train), len(val)) == (200, 50)
    assert train == tasks(task=task).drawn("train") != tasks(task=task, seed=1).drawn("train")
    assert not {target for _, target in train} & {target for _, target in val}
    for source, target in train:
        if task == "reverse":
            assert source == target[::-1]
        else:
            day = dt.date.fromisoformat(target)
            assert str(day.year) in source
            assert str(day.day) in source
            assert day.strftime("%b") in source
            assert "day" not in source or day.strftime("%A") in source
    assert texts(made, "val") == [(source.lower(), target) for source, target in val]


def test_letters_go_from_few_to_many() -> None:
    assert {len(source) for source, _ in tasks(task="reverse", min_letters=3, max_letters=4).drawn("train")} == {3, 4}
    with pytest.raises(ValidationError, match="max_letters=2 is below min_letters=3; use max_letters >= 3, or a smaller min_letters"):
        tasks(min_letters=3, max_letters=2)


def test_a_check_tells_what_is_cut_and_unknown_and_reads_no_picture() -> None:
    assert check.check(tasks(task="reverse", min_letters=4, max_letters=4)) == []
    (found,) = check.check(tasks(task="reverse", min_letters=4, max_letters=8, max_length=6))
    assert (found.severity, found.message.split(";")[0].partition(" are ")[2]) == ("warning", "longer than 6 pieces and are cut, the longest has 8")
