"""Pictures with sentences: the pictures are read and decoded when their turn comes, the sentences are in memory."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kvision.data.text.texts import lengths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorflow as tf

    from kvision.data.encoded_split import FileSplit
    from kvision.data.text.texts import Texts


class CaptionedSplit:
    """Pictures with their sentences.

    Args:
        pictures: N pictures.
        captions: The sentences of each, one at least.
        texts: Makes numbers of them.

    Attributes:
        names: A name for each example.
        pictures: Likewise.
        captions: Likewise.
    """

    def __init__(self, pictures: FileSplit, captions: Sequence[Sequence[str]], texts: Texts) -> None:
        self.names = pictures.names
        self.pictures = pictures
        self.captions = captions
        self._texts = texts

    def __len__(self) -> int:
        return len(self.names)

    def take(self, chosen: np.ndarray) -> CaptionedSplit:
        """The examples of these numbers."""
        return CaptionedSplit(self.pictures.take(chosen), [self.captions[k] for k in chosen], self._texts)

    def listing(self) -> list[str]:
        """The names."""
        return self.pictures.listing()

    @cached_property
    def lengths(self) -> np.ndarray:
        """Pieces of the longest sentence of each, start and end included, int32 `[N]`."""
        return lengths(self._tokens)

    @cached_property
    def _tokens(self) -> np.ndarray:
        return self._texts.rows(self.captions, self._most)

    @cached_property
    def _most(self) -> int:
        return max(map(len, self.captions))

    def _filled(self) -> np.ndarray:
        """The sentences `[N, R]`, empty ones for those that an example has not."""
        return np.array([[*each, *[""] * (self._most - len(each))] for each in self.captions], dtype=object)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Example number `index` (scalar int64): `image` uint8 `[H, W, 3]`, `captions` string `[R]`, `tokens` int32 `[R, L + 2]`."""
        example = self.pictures.read(index, fields & {"image"})
        if "captions" in fields:
            example["captions"] = self.pictures.column("captions", index, self._filled)
        if "tokens" in fields:
            example["tokens"] = self.pictures.column("tokens", index, lambda: self._tokens)
        return example
