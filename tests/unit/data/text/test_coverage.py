"""What of texts is unknown, cut or empty is counted and said."""

from __future__ import annotations

from kvision.data.text import coverage
from kvision.data.text.vocabulary import Words


def test_counts_and_findings() -> None:
    found = coverage.measure(Words(["a", "dog", "and"]), ["a dog and a zebra", "a kiwi and a zebra and a dog", "...", "a dog"], 5)
    assert (found.texts, found.empty, found.pieces, found.unknown, found.longest, found.cut) == (4, 1, 15, 3, 8, 1)
    assert found.unseen == {"zebra": 2, "kiwi": 1}
    assert found.findings() == [
        "1 of 4 texts are empty: no word is left of them; mend or remove them",
        "3 of 15 pieces (20.0 %) are not in the vocabulary: 'zebra', 'kiwi'; lower the minimum count, or use characters or byte pairs",
        "1 of 4 texts are longer than 5 pieces and are cut, the longest has 8; raise the maximum length to 8 to keep them whole",
    ]


def test_where_all_is_well_nothing_is_said() -> None:
    assert coverage.measure(Words(["a", "dog"]), ["a dog", "a"], 2).findings() == []
    assert coverage.measure(Words(["a"]), [], 2).longest == 0
