"""Pairs of texts: what is read and what is to be written, as rows of numbers."""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING

from kvision.data import host
from kvision.data.source import DataInfo, Source
from kvision.data.text.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tensorflow as tf

    from kvision.data.source import SplitName

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


class PairSource(Source):
    """Pairs of texts; the fields are `source` and `target`, whose numbers come from one vocabulary, and there are no classes."""

    @abc.abstractmethod
    def pairs(self, name: SplitName) -> Mapping[str, Pair]:
        """The pairs of the training or validation split by name; raises `DataError` where a file can't be read."""

    @functools.cached_property
    def info(self) -> DataInfo:
        """Reads nothing yet."""
        return DataInfo((), (), frozenset(FIELDS), self._texts)

    @functools.cached_property
    def _texts(self) -> Texts:
        return Texts(lambda: list(self.pairs("train").values()), self.options, kept=self.kept)

    def split(self, name: SplitName) -> PairSplit:
        """The pairs of a split; raises `DataError` as `pairs` does, and where there is no such split."""
        if name == "test":
            raise self.no_test_split()
        found = self.pairs(name)
        return PairSplit(list(found), list(found.values()), self._texts)
