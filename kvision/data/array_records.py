"""ArrayRecord files, which know by themselves where each record is; with the package `array_record`.

Reference: github.com/google/array_record; each record has a checksum, which is verified when it is read.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.data import extra
from kvision.data.encoded_split import EncodedSplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np

SUFFIX = ".array_record"
_RANDOM_ACCESS = "readahead_buffer_size:0,max_parallelism:0"
_CHUNK = 256
_OPEN = 1024


def _module() -> Any:
    return extra.package("array_record.python.array_record_module", "array_record", "ArrayRecord")


class Writer:
    """A file to write records to, each of which can be read on its own; pictures are not compressed once more."""

    def __init__(self, path: str) -> None:
        """Opens the file anew; raises `OSError` if it can't."""
        try:
            self._writer = _module().ArrayRecordWriter(path, "group_size:1,uncompressed")
        except RuntimeError as error:
            raise OSError(str(error)) from error

    def __enter__(self) -> Writer:
        return self

    def write(self, record: bytes) -> None:
        """Adds a record; raises `OSError` if it can't be written."""
        try:
            self._writer.write(record)
        except RuntimeError as error:
            raise OSError(str(error)) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._writer.close()
        except RuntimeError as failed:
            if error is None:
                raise OSError(str(failed)) from failed


def writer() -> Callable[[str], Writer]:
    """What opens a file for writing; raises `DataError` if the package is missing."""
    _module()
    return Writer


def read_through(file: Path) -> Iterator[bytes]:
    """The records of a file in order; raises `RuntimeError` at one that is damaged."""
    reader = _module().ArrayRecordReader(str(file))
    for start in range(0, reader.num_records(), _CHUNK):
        yield from reader.read(list(range(start, min(start + _CHUNK, reader.num_records()))))


@functools.lru_cache(_OPEN)
def _reader(file: str) -> Any:
    return _module().ArrayRecordReader(file, _RANDOM_ACCESS)


class ArrayRecordSplit(EncodedSplit):
    """Pictures in records of many files. Python asks the files for each record, and lets go of its lock meanwhile."""

    orientations: np.ndarray
    remotable = False

    def __init__(self, files: np.ndarray, offsets: np.ndarray, key: str, names: Sequence[str], labels: np.ndarray, orientations: np.ndarray) -> None:
        """`files` (their names) and `offsets` (numbers of records) say where each of the N records is, `key` which feature is the picture."""
        super().__init__(names, labels, orientations)
        self.files, self._offsets, self._key = files, offsets, key
        self._lock = threading.Lock()

    def take(self, chosen: np.ndarray) -> ArrayRecordSplit:
        """The examples of these numbers."""
        names = [self.names[k] for k in chosen]
        return ArrayRecordSplit(self.files[chosen], self._offsets[chosen], self._key, names, self.labels[chosen], self.orientations[chosen])

    def file_bytes(self, index: tf.Tensor) -> tf.Tensor:
        """The picture in the record of this number; its checksum is verified."""
        record = tf.ensure_shape(tf.numpy_function(self._record, [index], tf.string), [])
        return tf.io.parse_single_example(record, {self._key: tf.io.FixedLenFeature([], tf.string)})[self._key]

    def _record(self, index: np.int64) -> bytes:
        with self._lock:  # so that threads do not open the same file at once
            reader = _reader(str(self.files[index]))
        try:
            return reader.read([int(self._offsets[index])])[0]
        except RuntimeError as error:
            raise ValueError(f"{self.files[index]}: record {self._offsets[index]} is damaged: {error}") from error
