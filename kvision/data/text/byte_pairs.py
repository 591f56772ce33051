"""Byte pairs: pieces of words that come often, built of single bytes, so that no text is unknown.

Paper: Sennrich 2016, "Neural machine translation of rare words with subword units", arXiv 1508.07909; on bytes as in GPT-2 (Radford 2019).
Learning and splitting are the package `tokenizers`' (`pip install 'kvision[text]'`); texts of numbers need a table only.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kvision.data import extra
from kvision.data.text.vocabulary import SPECIAL, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
BYTES = {chr(byte): byte for byte in _PLAIN} | {chr(256 + k): byte for k, byte in enumerate(sorted(set(range(256)) - set(_PLAIN)))}
"""Which byte a character of a piece stands for: printable ones for themselves, the others for characters from U+0100 on, as in GPT-2."""
FEWEST = len(SPECIAL) + len(BYTES)
"""Size of a vocabulary that has learned nothing."""


def _package() -> Any:
    return extra.package("tokenizers", "tokenizers", "a vocabulary of byte pairs")


class BytePairs(Vocabulary):
    """Pieces of bytes.

    Args:
        pieces: All pieces but the special ones, in the order of their numbers from 4 on.
        lower: Whether texts are brought to lower case.
        merges: Which two pieces become one, those first that were learned first.

    Attributes:
        merges: Likewise.
    """

    kind = "byte_pair"
    fields = ("lower", "merges")

    def __init__(self, pieces: Sequence[str], *, lower: bool = True, merges: Iterable[Sequence[str]] = ()) -> None:
        super().__init__(pieces, lower=lower)
        self.merges = [(first, second) for first, second in merges]

    def split(self, text: str) -> list[str]:
        """The pieces of a text; DataError where the package `tokenizers` is not installed."""
        return list(self._splitter.encode(self.normal(text)).tokens)

    def join(self, pieces: Iterable[str]) -> str:
        """The text of the pieces' bytes; � for bytes that are no character."""
        found = bytearray()
        for piece in pieces:
            found += piece.encode() if piece in SPECIAL else bytes(BYTES[character] for character in piece)
        return found.decode("utf-8", errors="replace")

    @cached_property
    def _splitter(self) -> Any:
        tokenizers = _package()
        splitter = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=dict(self._numbers), merges=self.merges))
        splitter.pre_tokenizer = _words(tokenizers)
        return splitter


def learn(texts: Iterable[str], size: int, min_count: int, *, lower: bool) -> BytePairs:
    """Learns the pairs that come most often.

    Args:
        texts: Training texts.
        size: Most numbers that the vocabulary may have, at least `FEWEST`.
        min_count: How often a pair comes at least.
        lower: Whether texts are brought to lower case.

    Returns:
        The vocabulary.
    """
    tokenizers = _package()
    learner = tokenizers.Tokenizer(tokenizers.models.BPE())
    learner.pre_tokenizer = _words(tokenizers)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL), min_frequency=min_count, initial_alphabet=list(BYTES), show_progress=False
    )
    empty = BytePairs(list(BYTES), lower=lower)
    learner.train_from_iterator(map(empty.normal, texts), trainer)
    model = json.loads(learner.to_str())["model"]  # the pairs, in the order in which they were learned, are told there only
    return BytePairs(sorted(model["vocab"], key=model["vocab"].__getitem__), lower=lower, merges=model["merges"])


def _words(tokenizers: Any) -> Any:
    return tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
