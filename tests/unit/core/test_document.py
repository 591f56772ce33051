from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kvision.core import document
from kvision.core.errors import RecipeError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes) -> document.Document:
    path = Path("r.yaml").absolute()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return document.read(path)


def message(text: str | bytes) -> str:
    began = time.process_time()
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert time.process_time() - began < 1.0
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_values_follow_yaml_1_2() -> None:
    text = "a: 1e-3\nb: yes\nc: 0o17\nd: 010\ne: 1_000\nf: 2020-01-01\ng: 12:30\nh: ~\ni: .inf\nj: 0x1F\nk: True\nl: '3'\nm: -5\nn: .5\n"
    assert read(text).values == {
        "a": 0.001, "b": "yes", "c": 15, "d": 10, "e": "1_000", "f": "2020-01-01", "g": "12:30", "h": None, "i": float("inf"), "j": 31, "k": True,
        "l": "3", "m": -5, "n": 0.5,
    }  # fmt: skip


def test_every_key_value_and_item_has_its_place() -> None:
    found = read("model: {width: 8,\n  filters: [1, 22]}\n")
    assert found.locate(("model", "width"))[0] == "r.yaml:1:16"
    assert found.locate(("model", "width"), key=True)[0] == "r.yaml:1:9"
    assert found.locate(("model", "filters", 1)) == ("r.yaml:2:16", "      filters: [1, 22]}\n                   ^")
    assert found.line_of(("model", "filters")) == "r.yaml:2"


def test_what_is_not_in_the_file_is_located_at_the_key_around_it() -> None:
    assert read("a: 1\nexpect: {at_least: 0.5}\n").locate(("expect", "metric"))[0] == "r.yaml:2:1"


def test_a_key_without_a_value_is_located_at_the_key() -> None:
    assert read("a: 1\nloss:\n# end\n").locate(("loss",))[0] == "r.yaml:2:1"


def test_aliases_that_stay_small_are_written_out() -> None:
    assert read("a: &x [1, 2]\nb: *x\n").values == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "r.yaml", "the file is empty"),
        ("# only a comment\n", "r.yaml", "the file is empty or holds only comments"),
        ("- a\n- b\n", "r.yaml:1:1", "got a list, expected keys and values"),
        ("text\n", "r.yaml:1:1", "got a single value, expected keys and values"),
        (b"\x89PNG\r\n", "r.yaml", "byte 0 is not UTF-8"),
        (b"a: 1\n\0\0", "r.yaml", "byte 5 is a zero"),
        ("a: [1, 2\nb: 3\n", "r.yaml:2:2", "a bracket is not closed, or a comma is missing"),
        ("a: 'open\n", "r.yaml", "quote"),
        ("a:\n\tb: 1\n", "r.yaml:2:1", "a tab stands where spaces are needed"),
        ("a: b: c\n", "r.yaml:1:5", "put text that holds a colon in quotes"),
        ("a: 1\x07\n", "r.yaml:1:5", "special characters are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "r.yaml:3:1", "a: the key is there twice, first in line 1"),
        ("1: a\n'1': b\n", "r.yaml:2:1", "the key is there twice"),
        ("a: !!python/object/apply:os.system [ls]\n", "r.yaml:1:4", "got the tag `!!python/object/apply:os.system`"),
        ("a: !mine 3\n", "r.yaml:1:4", "got the tag `!mine`"),
        ("a: 1\n---\nb: 2\n", "r.yaml:3:1", "a second document begins here"),
        ("%YAML 1.1\n---\na: yes\n", "r.yaml", "asks for YAML 1.1, recipes are YAML 1.2"),
        ("<<: {a: 1}\n", "r.yaml:1:1", "merge keys"),
        ("? [a]\n: 1\n", "r.yaml:1:3", "can't be a key"),
        ('a: "\\ud800"\n', "r.yaml:1:4", "an escape that stands for no character"),
        ('a: "\\0"\n', "r.yaml:1:4", "an escape that stands for no character"),
        ("a: *nothing\n", "r.yaml:1:4", "the alias `*nothing` has no anchor"),
        ("a: &a [*a]\n", "r.yaml:1:8", "stands inside its own anchor"),
        ("a: " + "9" * 5000, "r.yaml:1:4", "a number of 5000 digits"),
        ("[" * 10_000, "r.yaml:1:21", "nested deeper than 20 levels"),
        ("a: " + "{a: " * 500, "r.yaml:1:", "nested deeper than 20 levels"),
        ("a: [" + "1, " * 20_000, "r.yaml:1:", "holds more than 5,000 values"),
        ("a: " + "x" * 300_000, "r.yaml", "has 300,003 bytes, a recipe has at most 128,000"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_recipe_is_refused_in_one_clear_message(text: str | bytes, where: str, words: str) -> None:
    found = message(text)
    assert found.startswith(where)
    assert words in found


def test_the_largest_file_is_still_read_in_under_a_second() -> None:
    assert "expected keys and values" in message("x " * 63_000)


def test_alias_bombs_are_refused_before_they_expand() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert "holds more than 5,000 values once its aliases are written out" in message(bomb)
    assert "uses more than 50 aliases" in message("a: &a 1\nb: [" + "*a, " * 51 + "]\n")


def test_all_duplicate_keys_are_named_but_not_without_end() -> None:
    assert message("a: 1\na: 2\nb: {c: 1, c: 2}\n").count("the key is there twice") == 2
    assert message("a: 1\n" * 1000).count("the key is there twice") == 20


def test_folders_and_missing_files_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is a folder, expected a recipe file"):
        document.read(tmp_path)
    with pytest.raises(RecipeError, match=r"nope\.yaml: can't be read: no such file or directory"):
        document.read(tmp_path / "nope.yaml")


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(RecipeError, match="no regular file"):
        document.read(tmp_path / "pipe.yaml")


def test_a_long_line_is_shown_around_the_fault() -> None:
    found = message("a: 1\nb: '" + "x" * 500 + "' y: 3\n")
    source, caret = found.splitlines()[-2:]
    assert len(source) < 160
    assert caret.strip() == "^"
    assert len(caret) <= len(source) + 1
