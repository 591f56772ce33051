"""Words of captions are those of Stanford's tokenizer as the COCO evaluation starts it: by hand, and as the Java program said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kvision.metrics.captions import ptb

RECORD = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))["ptb"]


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard"),
        ("Two dogs, (one brown), play; \"fetch\"!", "two dogs -lrb- one brown -rrb- play fetch"),
        ("The man's dog doesn't bark - it can't", "the man 's dog does n't bark it ca n't"),
        ("the dogs' bowls at 5 o'clock", "the dogs bowls at 5 o'clock"),
        ("a black-and-white cat and/or T-shirt", "a black-and-white cat and/or t-shirt"),
        ("$5.99 for 1,000 or 10% at 3:30 p.m.", "$ 5.99 for 1,000 or 10 % at 3:30 p.m."),
        ("Mr. Smith at St. Louis Ave. in the U.S.", "mr. smith at st. louis ave. in the u.s."),
        ("Stop sign.A car stops ...", "stop sign.a car stops"),
        ("cannot gonna", "can not gon na"),
        ("The letter B.", "the letter b"),
        ("Wow!! Really?", "wow !! really"),
        ("“Fancy” – it’s a café…", "fancy it 's a café"),
        ("black & white &amp; red", "black & white & red"),
        ("Number no. 5; oh no. It is", "number no. 5 oh no it is"),
        ("", ""),
        (" . - '' \n", ""),
    ],
)  # fmt: skip
def test_by_hand(caption: str, words: str) -> None:
    assert ptb.tokenize(caption) == words.split()


def test_equals_what_the_java_program_said() -> None:
    assert len(RECORD) > 100
    assert {caption: " ".join(ptb.tokenize(caption)) for caption in RECORD} == RECORD


def test_words_stay_words() -> None:
    for words in map(str.split, RECORD.values()):
        plain = [word for word in words if word.isalpha()]
        assert ptb.tokenize(" ".join(plain)) == [part for word in plain for part in ({"cannot": ["can", "not"]}.get(word, [word]))]
