"""What of texts is unknown, cut or empty is counted and said."""

from __future__ import annotations

from kvision.data.text import coverage
from kvision.data.text.vocabulary import Words


def test_counts_and_findings() -> None:
    found = coverage.measure(Words(["a", "dog", "and"]), ["a dog and a zebra", "a kiwi and a zebra and a dog", "...", "a dog"], 5)
    assert (found.texts, found.empty, found.pieces, found.unknown, found.longest, found.cut) == (4, 1, 15, 3, 8, 1)
    assert found.unseen == {"zebra": 2, "kiwi": 1}
    assert found.seen == {"a": 6, "and": 3, "dog": 3}
    assert [(fault.kind, str(fault)) for fault in found.faults("val")] == [
        ("no-word", "val: 1 of 4 texts hold no word"),
        ("unknown-pieces", "val: 3 of 15 pieces (20.0 %) are not in the vocabulary: 'zebra', 'kiwi'"),
        ("cut-text", "val: 1 of 4 texts are longer than 5 pieces and are cut, the longest has 8"),
    ]


def test_where_all_is_well_nothing_is_said() -> None:
    assert coverage.measure(Words(["a", "dog"]), ["a dog", "a"], 2).faults("val") == []
    assert coverage.measure(Words(["a"]), [], 2).longest == 0
