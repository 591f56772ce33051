"""Texts of a network's numbers: reads the `vocabulary.json` of a bundle, of words, characters or byte pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterable, Tuple

from kvision_edge.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "vocabulary.json"
SCHEMA = 1
"""Of the file; raised when an older reader could no longer make sense of it."""
PAD, START, END, UNKNOWN = range(4)
"""Numbers that mean the same in every vocabulary."""
BETWEEN = {"word": b" ", "character": b"", "byte_pair": b""}
"""What stands between two pieces, by the kinds of vocabulary."""
_PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
_BYTES = {**{chr(byte): byte for byte in _PLAIN}, **{chr(256 + k): byte for k, byte in enumerate(sorted(set(range(256)) - set(_PLAIN)))}}


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of texts.

    Attributes:
        kind: What a piece is: `word`, `character` or `byte_pair`.
        tokens: The pieces in the order of their numbers; those of byte pairs have a character for each byte, as in GPT-2.
    """

    kind: str
    tokens: Tuple[str, ...]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers: up to the first `END`, without start and padding; `<unk>` for what is unknown.

        Args:
            numbers: As the network gives them.

        Returns:
            The text; � for bytes that are no character.

        Raises:
            BundleError: If a number is none of the vocabulary's.
        """
        pieces = []
        for number in numbers:
            if number == END:
                break
            if not 0 <= number < len(self.tokens):
                raise BundleError(f"{NAME} has {len(self.tokens)} pieces, the network said number {number}; export the bundle again")
            if number not in (PAD, START):
                pieces.append(self._bytes(number))
        return BETWEEN[self.kind].join(pieces).decode("utf-8", "replace")

    def _bytes(self, number: int) -> bytes:
        piece = self.tokens[number]
        return bytes(_BYTES[character] for character in piece) if self.kind == "byte_pair" and number > UNKNOWN else piece.encode("utf-8", "replace")


def read(bundle: Path) -> Vocabulary:
    """The vocabulary of a bundle.

    Args:
        bundle: Its folder.

    Returns:
        The vocabulary.

    Raises:
        BundleError: If there is none, it is damaged, or it is of another version.
    """
    path = bundle / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{path}: can't be read ({error.strerror or error}); give the folder that `kvision export` made") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is damaged ({error}); export the bundle again, or copy it again") from error
    found = values.get("schema") if isinstance(values, dict) else None
    if found != SCHEMA:
        raise BundleError(f"{path}: has schema {found!r}, this runtime reads {SCHEMA}; install the kvision-edge that came with the exporter")
    kind, tokens = values.get("kind"), values.get("tokens")
    if not isinstance(kind, str) or kind not in BETWEEN:
        raise BundleError(f"{path}: has the kind {kind!r}, this runtime knows {', '.join(BETWEEN)}; install the newer kvision-edge")
    known = set(_BYTES) if kind == "byte_pair" else None
    whole = isinstance(tokens, list) and len(tokens) > UNKNOWN and all(isinstance(token, str) for token in tokens)
    if not whole or (known is not None and not all(known.issuperset(token) for token in tokens[UNKNOWN + 1 :])):
        raise BundleError(f"{path}: does not hold together: no list of pieces that begins with four special ones; export the bundle again")
    return Vocabulary(kind, tuple(tokens))
