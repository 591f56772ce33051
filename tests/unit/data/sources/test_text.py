"""Plain text: what lies in which window, what is read and what is wrong with files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.pipeline import Pipeline
from kvision.data.sources.text import Text
from kvision.data.text import manual

LETTERS = "abcdefghijklmnopqrstuvwxyz" * 4


def source(folder: Path, path: Any = "a.txt", **options: Any) -> Text:
    section = Text.Options(**{"path": path, "max_length": 5, "context": 2, "batch": 2, "val_split": 0.25, **options})
    return Text(section, seed=0, base=folder)


def written(made: Text, name: Any, number: int) -> str:
    row = made.split(name).read(tf.constant(number, tf.int64), frozenset({"text"}))["text"].numpy()
    return made.info.texts.vocabulary.decode(row)


def test_windows_follow_one_another_and_share_one_piece(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LETTERS)
    made = source(tmp_path)
    assert [written(made, "train", number) for number in range(3)] == ["abcdef", "fghijk", "klmnop"]
    assert len(made.split("train")) == (78 - 6) // 5 + 1
    assert made.split("train").names[2] == "text/train/10"


def test_a_validation_window_begins_with_its_context_and_every_piece_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LETTERS)
    made = source(tmp_path)
    windows = [written(made, "val", number) for number in range(len(made.split("val")))]
    assert windows[:2] == ["abcdefgh", "fghijklm"]  # two of context, one to begin with, five that count
    assert "".join(window[-5:] for window in windows) == LETTERS[78 + 3 :][: 5 * len(windows)]


def test_a_vector_of_numbers_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LETTERS)
    split = source(tmp_path).split("train")
    rows = split.read(tf.constant([0, 3], tf.int64), frozenset({"text"}))["text"]
    assert rows.shape == (2, 6)
    np.testing.assert_array_equal(rows[1], split.read(tf.constant(3, tf.int64), frozenset({"text"}))["text"])


@pytest.mark.parametrize(("order", "follow"), [("lanes", True), ("shuffled", False)])
def test_lanes_read_on(tmp_path: Path, order: str, follow: bool) -> None:
    (tmp_path / "a.txt").write_text(LETTERS)
    made = source(tmp_path, order=order)
    steps = list(Pipeline(made, made.options, frozenset({"text"}), 0).train(0).take(7).as_numpy_iterator())
    reads_on = [np.array_equal(later["text"][:, 0], earlier["text"][:, -1]) for earlier, later in pairwise(steps)]
    assert all(reads_on) == follow


def test_the_vocabulary_is_of_the_training_text_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 30 + "z" * 10)
    made = source(tmp_path)
    assert made.info.texts.vocabulary.tokens[4:] == ("a",)
    assert made.report() == {"files": {str(tmp_path / "a.txt"): 40}, "pieces": {"train": 30, "val": 10}, "unknown": {"train": 0, "val": 10}}


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.txt").write_text("c" * 40)
    (tmp_path / "more" / "left_out.md").write_text("d" * 40)
    (tmp_path / "b.md").write_text("b" * 40)
    made = source(tmp_path, ("b.md", "more"))
    assert written(made, "train", 0) == "bbbbbb"
    assert sorted(made.info.texts.vocabulary.tokens[4:]) == ["\n", "b", "c"]


def test_faults_of_files_say_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"good\n\xe9t\xe9")
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "empty").mkdir()
    for path, said in (
        ("missing.txt", r"data\.path: there is no file or folder .*missing\.txt; give a text file"),
        ("empty", r"data\.path: the folder .*empty holds no \.txt file"),
        ("latin.txt", r"latin\.txt: line 2 is not UTF-8: it holds the byte 0xe9"),
        ("short.txt", r"data\.path: the val text has 2 pieces, a window takes 8"),
    ):
        with pytest.raises(DataError, match=said):
            source(tmp_path, path).split("val")
    with pytest.raises(DataError, match="text has no test split"):
        source(tmp_path).split("test")


def test_python_s_manual_is_real_text_and_has_no_paragraph_twice() -> None:
    text = manual.text()
    paragraphs = text.split("\n\n")
    assert len(text) > 300_000
    assert 'The "nonlocal" statement' in text
    assert len(paragraphs) == len(set(paragraphs))
