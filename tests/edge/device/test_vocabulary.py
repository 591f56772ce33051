"""Texts of numbers on a device: words, characters and bytes, and files that are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kvision_edge import vocabulary
from kvision_edge.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = ["<pad>", "<start>", "<end>", "<unk>"]


def read(folder: Path, **values: Any) -> vocabulary.Vocabulary:
    (folder / vocabulary.NAME).write_text(json.dumps({"schema": 1, "kind": "word", "tokens": SPECIAL, **values}), encoding="utf-8")
    return vocabulary.read(folder)


@pytest.mark.parametrize(
    ("kind", "tokens", "numbers", "text"),
    [
        ("word", ["a", "dog"], [1, 4, 3, 5, 0, 2, 5], "a <unk> dog"),
        ("character", ["a", "\n"], [4, 5, 4, 3], "a\na<unk>"),
        ("byte_pair", ["Ġdog", "Ã", "©"], [4, 5, 6, 3, 5, 2], " dogé<unk>�"),
        ("word", [], [], ""),
    ],
)
def test_texts_of_numbers(kind: str, tokens: list[str], numbers: list[int], text: str, tmp_path: Path) -> None:
    assert read(tmp_path, kind=kind, tokens=SPECIAL + tokens).decode(numbers) == text


@pytest.mark.parametrize("number", [-1, 4])
def test_numbers_of_another_network_are_refused(number: int, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=rf"vocabulary\.json has 4 pieces, the network said number {number}; export the bundle again"):
        read(tmp_path).decode([3, number])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 2}, r"has schema 2, this runtime reads 1; install the kvision-edge that came with the exporter"),
        ({"kind": "syllable"}, r"has the kind 'syllable', this runtime knows word, character, byte_pair"),
        ({"tokens": "abcdef"}, r"does not hold together"),
        ({"tokens": SPECIAL[:3]}, r"does not hold together"),
        ({"kind": "byte_pair", "tokens": [*SPECIAL, "日"]}, r"does not hold together"),
    ],
)
def test_another_file_is_refused(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=message):
        read(tmp_path, **values)


def test_no_file_and_half_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"can't be read \(No such file"):
        vocabulary.read(tmp_path)
    (tmp_path / vocabulary.NAME).write_text("{")
    with pytest.raises(BundleError, match=r"is damaged .*export the bundle again"):
        vocabulary.read(tmp_path)
