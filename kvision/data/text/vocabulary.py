"""A vocabulary: which number each piece of a text has, and the text of numbers.

The numbers 0 to 3 are the same in every vocabulary: padding, start, end, and what the vocabulary does not have. The file needs neither
TensorFlow nor the package that learned it: `kvision_edge.vocabulary` makes texts of numbers from the same file on a device.
"""

from __future__ import annotations

import abc
import json
import re
import unicodedata
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kvision.core import disk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

NAME = "vocabulary.json"
SCHEMA = 1
"""Raised when an older reader could no longer make sense of the file."""
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")
PAD, START, END, UNKNOWN = range(len(SPECIAL))


class Vocabulary(abc.ABC):
    """Pieces of text and their numbers.

    Args:
        pieces: All pieces but the special ones, in the order of their numbers from 4 on.
        lower: Whether texts are brought to lower case.

    Attributes:
        kind: What a piece is: `word`, `character` or `byte_pair`.
        fields: Attributes that the file holds beside the tokens.
        tokens: The special pieces and all others, in the order of their numbers.
        lower: Whether texts are brought to lower case.
    """

    kind: ClassVar[str]
    fields: ClassVar[tuple[str, ...]] = ("lower",)

    def __init__(self, pieces: Sequence[str], *, lower: bool = True) -> None:
        self.tokens = (*SPECIAL, *pieces)
        self.lower = lower
        self._numbers = {piece: number for number, piece in enumerate(pieces, len(SPECIAL))}

    @property
    def size(self) -> int:
        """How many numbers there are: each is from 0 to one less."""
        return len(self.tokens)

    @abc.abstractmethod
    def split(self, text: str) -> list[str]:
        """The pieces of a text, those among them that the vocabulary does not have."""

    @abc.abstractmethod
    def join(self, pieces: Iterable[str]) -> str:
        """The text of pieces."""

    def normal(self, text: str) -> str:
        """A text as it comes back from its numbers where the vocabulary has all its pieces."""
        return unicodedata.normalize("NFC", text.lower() if self.lower else text)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces, without start and end; `UNKNOWN` for those that the vocabulary does not have."""
        return [self._numbers.get(piece, UNKNOWN) for piece in self.split(text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers: up to the first `END`, without start and padding; `<unk>` for what is unknown."""
        pieces = []
        for number in numbers:
            if number == END:
                break
            if number not in (PAD, START):
                pieces.append(self.tokens[number])
        return self.join(pieces)

    def rows(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Texts as rows of one length: start, the text, end, padding.

        Args:
            texts: N texts.
            length: Most numbers of a text's own, without start and end. A text with more is cut and has no end, so that nobody learns to end there.

        Returns:
            int32 `[N, length + 2]`.
        """
        found = np.full((len(texts), length + 2), PAD, np.int32)
        for row, text in zip(found, texts, strict=True):
            numbers = [START, *self.encode(text), END]
            if len(numbers) > length + 2:
                numbers = numbers[: length + 1]
            row[: len(numbers)] = numbers
        return found

    def save(self, folder: Path) -> Path:
        """Writes `vocabulary.json` into a folder and gives its path; the same vocabulary is the same bytes."""
        path = folder / NAME
        values = {"schema": SCHEMA, "kind": self.kind, **{name: getattr(self, name) for name in self.fields}, "tokens": self.tokens}
        disk.replace(path, (json.dumps(values, ensure_ascii=False, indent=0) + "\n").encode())
        return path


_BETWEEN = re.compile(r"""[\s;!?()\[\]{}<>\\|"“”„«»…–—¡¿、。，！？]+ | (?<!\d)[.,:/] | [.,:/](?!\d)""", re.VERBOSE)
_EDGES = "-_'`‘’´*&+=~^#@$%"


class Words(Vocabulary):
    """Words as whitespace and punctuation part them, which is left out; `man's`, `t-shirt` and `3:30` are one each."""

    kind = "word"

    def split(self, text: str) -> list[str]:
        """The words of a text."""
        return self.normal(text).split()

    def join(self, pieces: Iterable[str]) -> str:
        """The words with a space between."""
        return " ".join(pieces)

    def normal(self, text: str) -> str:
        """The words with a space between."""
        words = (word.strip(_EDGES) for word in _BETWEEN.split(super().normal(text)))
        return " ".join(word for word in words if word)


class Characters(Vocabulary):
    """Characters, spaces and ends of lines among them."""

    kind = "character"

    def split(self, text: str) -> list[str]:
        """The characters of a text."""
        return list(self.normal(text))

    def join(self, pieces: Iterable[str]) -> str:
        """The characters one after the other."""
        return "".join(pieces)
