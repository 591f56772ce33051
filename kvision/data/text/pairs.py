"""Pairs of texts: what is read and what is to be written, as rows of numbers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kvision.data import host
from kvision.data.source import DataInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorflow as tf

    from kvision.data.text.texts import Texts

FIELDS = ("source", "target")
Pair = tuple[str, str]


class PairSplit:
    """Pairs in memory.

    Args:
        names: A name for each.
        pairs: The texts.
        texts: Makes numbers of them.

    Attributes:
        names: Likewise.
        captions: Both texts of each.
    """

    in_memory = True

    def __init__(self, names: Sequence[str], pairs: Sequence[Pair], texts: Texts) -> None:
        self.names, self.captions = names, pairs
        self._texts = texts

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Pair number `index` (scalar int64, or int64 `[b]`): `source` and `target`, int32 `[L + 2]`: start, text, end, padding."""
        import tensorflow as tf

        rows = tf.gather(self._rows, index)
        return {name: rows[..., place, :] for place, name in enumerate(FIELDS) if name in fields}

    @functools.cached_property
    def _rows(self) -> tf.Tensor:
        return host.tensor(self._texts.rows(self.captions, len(FIELDS)))


def info(texts: Texts) -> DataInfo:
    """What a source of pairs is about: both sides share one vocabulary, and there are no classes."""
    return DataInfo((), (), frozenset(FIELDS), texts)
