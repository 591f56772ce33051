"""Vocabularies of all kinds give back what they were given, in numbers below their size, from their file too, here and on a device."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision.data.text import learning, stored
from kvision.data.text.vocabulary import END, PAD, START, UNKNOWN, Characters, Words
from kvision_edge import vocabulary as on_device

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.data.text.vocabulary import Vocabulary

ALPHABET = "aab BcC dé\u0301É'-.,!3/:  \n\t\"“ßİ日本\u0928\u093f🐕&<>"


def texts(number: int = 300, seed: int = 0) -> list[str]:
    """Any characters in any order, words among them."""
    rng = random.Random(seed)
    return [" ".join("".join(rng.choices(ALPHABET, k=rng.randint(0, 8))) for _ in range(rng.randint(0, 6))) for _ in range(number)]


def learned(kind: str, *, lower: bool = True) -> Vocabulary:
    if kind == "byte_pair":
        pytest.importorskip("tokenizers")
    return learning.learn(texts(), kind, lower=lower)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("kind", stored.KINDS)
def test_a_text_comes_back_in_its_normal_form(kind: str, lower: bool) -> None:
    found = learned(kind, lower=lower)
    for text in texts():
        numbers = found.encode(text)
        assert found.decode(numbers) == found.normal(text)
        assert found.normal(found.normal(text)) == found.normal(text)
        assert all(UNKNOWN < number < found.size for number in numbers)
    assert len(set(found.tokens)) == found.size


@pytest.mark.parametrize("kind", stored.KINDS)
def test_the_file_gives_the_same_vocabulary_here_and_on_a_device(kind: str, tmp_path: Path) -> None:
    found = learned(kind)
    path = found.save(tmp_path)
    again, there = stored.read(tmp_path), on_device.read(tmp_path)
    assert type(again) is type(found)
    assert again.tokens == there.tokens == found.tokens
    rng = np.random.default_rng(0)
    for text in texts(100, seed=1):
        assert again.encode(text) == found.encode(text)
        assert there.decode(found.encode(text)) == found.decode(found.encode(text))
        noise = rng.integers(0, found.size, 12)  # as an untrained network says it: halves of characters, ends anywhere
        assert there.decode(noise) == again.decode(noise) == found.decode(noise.tolist())
    before = path.read_bytes()
    assert again.save(tmp_path).read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's black-and-white dog.", "a man's black-and-white dog"),
        ("Two dogs,one cat!", "two dogs one cat"),
        ("3.5 m at 3:30, no. 5, 1/2 and/or 10%", "3.5 m at 3:30 no 5 1/2 and or 10"),
        ("“Stop” – it's a 'sign'…", "stop it's a sign"),
        ("Cafe\u0301 - - & CAFÉ", "café café"),
        (" ... ", ""),
    ],
)
def test_words_by_hand(text: str, words: str) -> None:
    assert Words([]).split(text) == words.split()


def test_special_numbers_are_the_same_everywhere_and_end_ends() -> None:
    found = Words(["a", "dog"])
    assert (PAD, START, END, UNKNOWN) == (0, 1, 2, 3) == (on_device.PAD, on_device.START, on_device.END, on_device.UNKNOWN)
    assert found.tokens == ("<pad>", "<start>", "<end>", "<unk>", "a", "dog")
    assert found.encode("A dog <end> zebra") == [4, 5, 3, 3]
    assert found.decode([START, 4, UNKNOWN, PAD, 5, END, 5, 5]) == "a <unk> dog"
    assert Characters(["a", "b"], lower=False).encode("abA") == [4, 5, 3]


def test_rows_have_one_length_and_a_cut_text_has_no_end() -> None:
    found = Words(["a", "dog"])
    rows = found.rows(["a dog", "a", "", "a dog a"], 2)
    assert rows.dtype == np.int32
    assert rows.tolist() == [[1, 4, 5, 2], [1, 4, 2, 0], [1, 2, 0, 0], [1, 4, 5, 0]]
