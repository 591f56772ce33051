"""Labelled pictures that are stored as files are: encoded, each read and decoded in the graph when its turn comes."""

from __future__ import annotations

import abc
import io
import os
from typing import TYPE_CHECKING, Self

import numpy as np

from kvision.data import host
from kvision.data.headers import HeaderError, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import tensorflow as tf


class EncodedSplit(abc.ABC):
    """Encoded pictures with their labels; where the bytes come from is a subclass's to say.

    Attributes:
        names: A name for each example.
        labels: int32 `[N]`, or uint8 `[N, K]` where an example can be of several classes.
        orientations: EXIF orientation of each picture, int32 `[N]`; none: found when the picture is read.
    """

    remotable = True
    """Whether other processes can read the examples, as no Python has to run for it."""

    def __init__(self, names: Sequence[str], labels: np.ndarray, orientations: np.ndarray | None) -> None:
        """Keeps what is known of all N pictures; none is read."""
        self.names = names
        self.labels = labels
        self.orientations = orientations
        self._tensors: dict[str, tf.Tensor] = {}

    def __len__(self) -> int:
        return len(self.names)

    @abc.abstractmethod
    def take(self, chosen: np.ndarray) -> Self:
        """The examples of these numbers."""

    @abc.abstractmethod
    def file_bytes(self, index: tf.Tensor) -> tf.Tensor:
        """The encoded picture of this number (scalar int64), string scalar; in the graph."""

    def listing(self) -> list[str]:
        """The names."""
        return list(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Example number `index` (scalar int64): `image` uint8 `[H, W, 3]`, upright, and `label` int32, or `targets` float32 `[K]`."""
        name, kind = ("label", np.int32) if self.labels.ndim == 1 else ("targets", np.float32)
        example = {name: self.column(name, index, lambda: self.labels.astype(kind))} if name in fields else {}
        return {**example, "image": self._image(index)} if "image" in fields else example

    def _image(self, index: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from kvision.data import encoded
        from kvision.ops import exif

        data = self.file_bytes(index)
        if self.orientations is None:
            # In the graph it takes longer than decoding. Outside of a graph the bytes come within an array.
            turn = tf.numpy_function(lambda each: orientation(each if isinstance(each, bytes) else each.item()), [data], tf.int32)
            turn = tf.ensure_shape(turn, [])
        elif (self.orientations == 1).all():
            return encoded.stored(data)
        else:
            turn = self.column("orientation", index, lambda: self.orientations)
        return exif.upright(encoded.stored(data), turn)

    def column(self, name: str, index: tf.Tensor, make: Callable[[], object]) -> tf.Tensor:
        """One fact of one example; those of all of them are made once."""
        import tensorflow as tf

        if name not in self._tensors:
            self._tensors[name] = host.made(make)
        return tf.gather(self._tensors[name], index)


def orientation(data: bytes) -> np.int32:
    """EXIF orientation of an encoded picture, 1..8; 1 of what is no picture, which is told when it is decoded."""
    try:
        return np.int32(parse_header(io.BytesIO(data)).orientation)
    except HeaderError:
        return np.int32(1)


class FileSplit(EncodedSplit):
    """Pictures in a file each.

    Attributes:
        files: The files.
        orientations: EXIF orientation of each, int32 `[N]`.
    """

    orientations: np.ndarray

    def __init__(self, files: Sequence[Path], names: Sequence[str], labels: np.ndarray, orientations: np.ndarray) -> None:
        """Keeps what is known of all N pictures; none is read."""
        super().__init__(names, labels, orientations)
        self.files = files

    def take(self, chosen: np.ndarray) -> FileSplit:
        """The examples of these numbers."""
        files, names = [self.files[k] for k in chosen], [self.names[k] for k in chosen]
        return FileSplit(files, names, self.labels[chosen], self.orientations[chosen])

    def file_bytes(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the file of this number."""
        import tensorflow as tf

        return tf.io.read_file(self.column("file", index, lambda: [os.fsencode(file) for file in self.files]))


class RowSplit(EncodedSplit):
    """Pictures in a table of another library, which is asked for each row; Python runs then, so it is the slowest way."""

    remotable = False

    def __init__(self, row: Callable[[int], bytes], names: Sequence[str], labels: np.ndarray, numbers: np.ndarray | None = None) -> None:
        """`row` gives the bytes of a picture by its number in the table; `numbers` are those of these examples."""
        super().__init__(names, labels, None)
        self._row = row
        self._numbers = np.arange(len(names)) if numbers is None else numbers

    def take(self, chosen: np.ndarray) -> RowSplit:
        """The examples of these numbers."""
        return RowSplit(self._row, [self.names[k] for k in chosen], self.labels[chosen], self._numbers[chosen])

    def file_bytes(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the row of this number."""
        import tensorflow as tf

        return tf.ensure_shape(tf.numpy_function(lambda at: self._row(int(self._numbers[at])), [index], tf.string), [])
