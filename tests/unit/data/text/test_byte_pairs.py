"""Byte pairs are those of the package tokenizers, of bytes so that nothing is unknown, and need the package for splitting only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from kvision.core.errors import DataError
from kvision.data.text import byte_pairs, stored
from kvision.data.text.byte_pairs import BYTES, BytePairs
from kvision.data.text.vocabulary import UNKNOWN
from kvision_edge import vocabulary as on_device

if TYPE_CHECKING:
    from pathlib import Path


def test_each_byte_has_a_character_of_its_own() -> None:
    """GPT-2's table: a space is Ġ, a new line Ċ."""
    assert sorted(BYTES.values()) == list(range(256))
    assert (BYTES["a"], BYTES["Ġ"], BYTES["Ċ"], BYTES["Ã"], BYTES["Ń"]) == (97, 32, 10, 0xC3, 0xAD)
    assert on_device._BYTES == BYTES


def test_by_hand() -> None:
    pytest.importorskip("tokenizers")
    found = byte_pairs.learn(["aab aab aab ab"], 263, 2, lower=True)
    assert found.merges == [("a", "b"), ("a", "ab"), ("Ġ", "aab")]
    assert found.size == 263
    assert [found.tokens[number] for number in found.encode("AAB aab ab")] == ["aab", "Ġaab", "Ġ", "ab"]


def test_nothing_is_unknown() -> None:
    pytest.importorskip("tokenizers")
    found = byte_pairs.learn(["a dog"], 260, 1, lower=True)
    assert UNKNOWN not in found.encode("日本 🐕 \x00 ﬃ <end> <unk>")
    assert found.decode(found.encode("日本 🐕 \x00 ﬃ <end> <unk>")) == "日本 🐕 \x00 ﬃ <end> <unk>"


def test_halves_of_characters_are_one_sign_each_until_they_are_whole() -> None:
    found = BytePairs(list(BYTES))
    e_acute = [found.tokens.index(piece) for piece in ("Ã", "©")]
    assert found.decode(e_acute) == "é"
    assert found.decode(e_acute[:1]) == "�"
    assert found.decode([e_acute[0], UNKNOWN, e_acute[1]]) == "�<unk>�"


def test_without_the_package_texts_of_numbers_are_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BytePairs([*BYTES, "do"], merges=[("d", "o")]).save(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    found = stored.read(tmp_path)
    assert found.decode([found.size - 1, found.tokens.index("g")]) == "dog"
    with pytest.raises(DataError, match=r"a vocabulary of byte pairs needs the package tokenizers; run `pip install tokenizers`"):
        found.encode("dog")
