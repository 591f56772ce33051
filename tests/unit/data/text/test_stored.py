"""Files that hold no vocabulary of this version are refused, and the message says what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kvision.core.errors import DataError
from kvision.data.text import stored, vocabulary

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 2}, r"vocabulary\.json: has schema 2, this kvision reads 1; use the kvision that trained the run"),
        ([], r"has schema None"),
        ({"schema": 1, "kind": "syllable"}, r"has the kind 'syllable', this kvision knows word, character, byte_pair"),
        ({"schema": 1, "kind": ["word"]}, r"has the kind \['word'\], this kvision knows word"),
        ({"schema": 1, "kind": "word", "lower": True, "tokens": ["a"]}, r"expected lower and tokens that begin with <pad>, <start>, <end>, <unk>"),
        ({"schema": 1, "kind": "word", "lower": True, "tokens": [*vocabulary.SPECIAL, "a", "a"]}, r"each once; copy it again"),
        ({"schema": 1, "kind": "word", "tokens": [*vocabulary.SPECIAL]}, r"does not hold together"),
        ({"schema": 1, "kind": "byte_pair", "lower": True, "tokens": [*vocabulary.SPECIAL], "merges": [["a"]]}, r"expected lower, merges and tokens"),
    ],
)
def test_another_file_is_refused(values: object, message: str, tmp_path: Path) -> None:
    (tmp_path / vocabulary.NAME).write_text(json.dumps(values))
    with pytest.raises(DataError, match=message):
        stored.read(tmp_path)


def test_no_file_and_half_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vocabulary\.json: can't be read: no such file"):
        stored.read(tmp_path)
    (tmp_path / vocabulary.NAME).write_text('{"schema": 1')
    with pytest.raises(DataError, match=r"is damaged .*copy it again from the run"):
        stored.read(tmp_path)
