"""Texts become numbers by what the training texts hold, and by nothing else."""

from __future__ import annotations

import pytest

from kvision.core.errors import DataError
from kvision.data.text.learning import learn
from kvision.data.text.texts import Kept, TextOptions, Texts

TRAINING = [["a red star", "one star"], ["a blue ring"], []]


def texts(sentences=TRAINING, **options):
    return Texts(lambda: sentences, TextOptions(source="scenes", **options))


def test_rows_hold_start_text_end_and_padding():
    found = texts()
    number = {token: k for k, token in enumerate(found.vocabulary.tokens)}
    assert found.length == 3
    rows = found.rows([["a star"], ["one green ring", "a a a a"]], 2)
    assert rows.shape == (2, 2, 5)
    assert rows[0].tolist() == [[1, number["a"], number["star"], 2, 0], [0] * 5]  # it has no second sentence
    assert rows[1].tolist() == [[1, number["one"], 3, number["ring"], 2], [1, *[number["a"]] * 3, 0]]  # cut, so without an end


def test_the_length_keeps_nearly_all_training_texts_whole():
    sentences = [["a b"]] * 197 + [["a b c d"]] + [["a b c d e f g"]] * 2
    assert texts(sentences).length == 4  # the two longest are 1 %
    assert texts(sentences, max_length=6).length == 6


def test_options_of_the_vocabulary():
    assert texts(min_count=2).vocabulary.tokens[4:] == ("a", "star")
    assert texts(vocabulary_size=5).vocabulary.tokens[4:] == ("a",)
    assert texts(pieces="character").vocabulary.encode("rat") == texts(pieces="character").vocabulary.encode("rat")
    with pytest.raises(DataError, match="none of the 1 training texts has a word"):
        _ = texts([[" "]]).vocabulary


def test_what_a_run_keeps_is_enough_to_make_numbers():
    kept = Texts(tuple, TextOptions(source="scenes"), ["star"], Kept(learn(["a star"], "word"), 4))
    assert kept.rows([["a star"]], 1)[0, 0].tolist() == [1, 4, 5, 2, 0, 0]
    assert (kept.to_json(), kept.training) == ({"length": 4, "nouns": ["star"]}, ())
