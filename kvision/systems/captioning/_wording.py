"""Tokens as text, in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.data.text.byte_pairs import BYTES, BytePairs
from kvision.data.text.vocabulary import END, SPECIAL, START, Words

if TYPE_CHECKING:
    from kvision.data.text.vocabulary import Vocabulary


def sentence(tokens: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """What `Vocabulary.decode` says, but that bytes which are no character stay as they are.

    Args:
        tokens: int32 `[T]`.
        vocabulary: Of the tokens.

    Returns:
        String scalar, UTF-8.
    """
    pieces = tf.gather(tf.constant([_bytes(piece, vocabulary) for piece in vocabulary.tokens]), tokens)
    ended = tf.cumsum(tf.cast(tokens == END, tf.int32)) > 0
    shown = tf.boolean_mask(pieces, ~ended & (tokens != 0) & (tokens != START))
    return tf.strings.reduce_join(shown, separator=" " if isinstance(vocabulary, Words) else "")


def _bytes(piece: str, vocabulary: Vocabulary) -> bytes:
    if isinstance(vocabulary, BytePairs) and piece not in SPECIAL:
        return bytes(BYTES[character] for character in piece)
    return piece.encode()
