"""Text files in other encodings are named by line."""

from __future__ import annotations

import pytest

from kvision.core.errors import DataError
from kvision.data import utf8


def test_the_mark_of_editors_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert utf8.read(tmp_path / "a.txt") == "café"


def test_what_is_wrong_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\nna\xefve")
    with pytest.raises(DataError, match=r"a.txt: line 3 is not UTF-8: it holds the byte 0xef; save it as UTF-8, for example by `iconv"):
        utf8.read(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"b.txt: can't be read: no such file or directory"):
        utf8.read(tmp_path / "b.txt")


def test_only_ends_of_lines_end_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes("one\u2028still one\r\ntwo\x85still two\n".encode())
    assert utf8.lines(tmp_path / "a.txt") == ["one\u2028still one", "two\x85still two", ""]
