"""What a run and `kvision data check` tell of texts."""

from __future__ import annotations

from types import SimpleNamespace

from kvision.data.text.summary import summary
from kvision.data.text.texts import TextOptions, Texts

TRAIN = [["a red star", "a star"], ["a blue ring"]]
VAL = [["a green ring and a star"]]


def made():
    texts = Texts(lambda: TRAIN, TextOptions(source="scenes", max_length=4))
    return summary(texts, {"train": SimpleNamespace(captions=TRAIN), "val": SimpleNamespace(captions=VAL), "test": object()})


def test_json_counts_each_split():
    assert made().to_json() == {
        "length": 4,
        "nouns": [],
        "kind": "word",
        "size": 9,
        "splits": {
            "train": {"texts": 3, "pieces": 8, "unknown": 0, "longest": 3, "cut": 0, "mean": 2.67},
            "val": {"texts": 1, "pieces": 6, "unknown": 2, "longest": 6, "cut": 1, "mean": 6.0},
        },
        "frequent": {"a": 3, "star": 2, "red": 1, "blue": 1, "ring": 1},
    }


def test_the_same_for_people():
    assert made().lines() == [
        "vocabulary: 9 words, four special ones among them",
        "train: 3 texts of 2.7 pieces on average, 3 at most, of which 4 are kept; 100.0 % of the pieces are in the vocabulary",
        "val: 1 text of 6.0 pieces on average, 6 at most, of which 4 are kept; 66.7 % of the pieces are in the vocabulary",
        "most frequent in train: a 3, star 2, red 1, blue 1, ring 1",
    ]


def test_faults_name_the_split():
    assert [str(fault) for fault in made().faults()] == [
        "texts of val: 2 of 6 pieces (33.3 %) are not in the vocabulary: 'green', 'and'",
        "texts of val: 1 of 1 text are longer than 4 pieces and are cut, the longest has 6",
    ]
