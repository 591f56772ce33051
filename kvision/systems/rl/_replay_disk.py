"""Rows of a replay buffer in memory-mapped files, so that a buffer may be larger than memory, and checkpoints of it are small.

The rule by which `kill -9` at any moment loses nothing: a row is written once and never written over. Rows follow one another in files of a fixed
number of rows; a checkpoint notes how many rows there were, and a checksum of each file up to there. What was written after it is dropped when a run
is resumed. A file is removed when no checkpoint that may be resumed from needs a row of it: the last two on the disk, and those being written.
Shapes: N lanes, T steps of a rollout, R rows of N transitions in the buffer, K rows a file, M transitions.
"""

from __future__ import annotations

import os
import re
import tempfile
import zlib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.core import disk
from kvision.core.errors import KvisionError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kinds = dict[str, tuple[tuple[int, ...], str]]
"""Shape and type of each field of a transition."""
FILES = 16
"""Files that a full buffer is spread over, at least."""
FILE_BYTES = 2**28
MARKS = 4
"""Checkpoints that may be resumed from: when one is begun, that before it may still be being written, and two whole ones are kept."""
_NAME = re.compile(r"rows-(\d{10})\.bin")


class DiskRows:
    """The last R rows; read and assigned like a float64 variable `[None]`: what a checkpoint notes of them.

    Args:
        kinds: Shape and type of each field of a transition.
        lanes: N.
        rows: R.

    Attributes:
        kinds: As given.
        fault: What went wrong; the graph that asked has failed.
    """

    shape = (None,)

    def __init__(self, kinds: Kinds, lanes: int, rows: int) -> None:
        self._row = np.dtype([(name, dtype, (lanes, *shape)) for name, (shape, dtype) in kinds.items()])
        self.kinds, self._lanes, self._rows = kinds, lanes, rows
        self._in_file = max(1, min(-(-rows // FILES), FILE_BYTES // self._row.itemsize))
        self._played = 0
        self._files: dict[int, np.memmap] = {}
        self._sums: dict[int, int] = {}
        self._marks: deque[int] = deque([0] * MARKS, MARKS)
        self._folder: Path | None = None
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self.fault: KvisionError | None = None

    def keep_in(self, folder: Path) -> None:
        """Says where the files are; else they are temporary. What lies there is dropped, unless `assign` says what of it counts."""
        self._folder = folder

    def add(self, places: tf.Tensor, rollout: Mapping[str, tf.Tensor]) -> None:
        """Writes T rows `[T, N, ...]` behind the last one, wherever the ring would have them; in the graph."""
        del places
        tf.numpy_function(self._guard(self._append), [rollout[name] for name in self.kinds], [])

    def gather(self, name: str, places: tf.Tensor) -> tf.Tensor:
        """A field of transitions, by their numbers int32 `[...]` in a ring of R rows; in the graph."""
        shape, dtype = self.kinds[name]
        found = tf.numpy_function(self._guard(lambda numbers: self._read(name, numbers)), [places], dtype)
        return tf.ensure_shape(found, [*places.shape, *shape])

    def numpy(self) -> np.ndarray:
        """Notes a checkpoint: rows so far, the first file's number, and checksums; all of it is on the disk then."""
        for file in self._files.values():
            file.flush()
        self._marks.append(self._played)
        needed = max(0, min(self._marks) - self._rows) // self._in_file
        for number in [number for number in self._files if number < needed]:
            del self._files[number], self._sums[number]
            self._path(number).unlink(missing_ok=True)
        numbers = self._live()
        return np.array([self._played, numbers.start, *(self._sums[number] for number in numbers)], np.float64)

    def assign(self, values: Sequence[float]) -> None:
        """Puts the rows to where they stood at a checkpoint.

        Args:
            values: As `numpy` gave them.

        Raises:
            RunError: If a file is missing or damaged; names it.
        """
        self._played, first, *sums = (int(value) for value in np.asarray(values))
        self._files, self._sums, self._marks = {}, {}, deque([self._played] * MARKS, MARKS)
        for number, wanted in enumerate(sums, first):
            path, count = self._path(number), min(self._in_file, self._played - number * self._in_file)
            size = path.stat().st_size if path.exists() else None
            if size != self._in_file * self._row.itemsize:
                raise self._damaged(path, "is missing" if size is None else f"has {size} bytes in place of {self._in_file * self._row.itemsize}")
            self._files[number] = np.memmap(path, self._row, "r+", shape=(self._in_file,))
            self._sums[number] = _checksum(self._files[number][:count])
            if self._sums[number] != wanted:
                raise self._damaged(path, f"its first {count} rows have the checksum {self._sums[number]:08x}, not {wanted:08x}")
        self._drop({*self._files})

    def _append(self, *fields: np.ndarray) -> None:
        count, done = len(fields[0]), 0
        while done < count:
            number, at = divmod(self._played, self._in_file)
            file = self._file(number)
            length = min(count - done, self._in_file - at)
            for name, values in zip(self.kinds, fields, strict=True):
                file[name][at : at + length] = values[done : done + length]
            self._sums[number] = _checksum(file[at : at + length], self._sums[number])
            self._played, done = self._played + length, done + length

    def _read(self, name: str, places: np.ndarray) -> np.ndarray:
        row, lane = places // self._lanes, places % self._lanes
        newest = self._played - 1
        row = newest - (newest - row) % self._rows  # of all that were ever written
        number, at = row // self._in_file, row % self._in_file
        shape, dtype = self.kinds[name]
        found = np.empty((*places.shape, *shape), dtype)
        for each in np.unique(number):
            here = number == each
            found[here] = self._files[int(each)][name][at[here], lane[here]] if each in self._files else 0
        return found

    def _file(self, number: int) -> np.memmap:
        """A file to write in."""
        if number not in self._files:
            path = self._path(number)
            if not self._files:
                with disk.writing(path.parent, "the replay buffer"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                self._drop(set())
            _reserve(path, self._in_file * self._row.itemsize)
            self._files[number] = np.memmap(path, self._row, "r+", shape=(self._in_file,))
            self._sums[number] = 0
        return self._files[number]

    def _live(self) -> range:
        """Numbers of the files that hold rows of the buffer."""
        return range(max(0, self._played - self._rows) // self._in_file, -(-self._played // self._in_file))

    def _drop(self, kept: set[int]) -> None:
        """Removes files of the folder that hold nothing that counts."""
        for path in self._path(0).parent.glob("rows-*.bin"):
            found = _NAME.fullmatch(path.name)
            if found and int(found[1]) not in kept:
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        if self._folder is None:
            self._own = tempfile.TemporaryDirectory(prefix="kvision-replay-")
            self._folder = Path(self._own.name)
        return self._folder / f"rows-{number:010d}.bin"

    def _guard(self, call: Callable[..., np.ndarray | None]) -> Callable[..., np.ndarray | list[np.ndarray]]:
        """The same, but what went wrong is remembered: a graph would tell of it in its own words only."""

        def guarded(*values: np.ndarray) -> np.ndarray | list[np.ndarray]:
            try:
                found = call(*values)
            except KvisionError as error:
                self.fault = error
                raise
            return [] if found is None else found

        return guarded

    def _damaged(self, path: Path, how: str) -> RunError:
        return RunError(
            f"{path}: {how}; the replay buffer of this checkpoint can't be read. Restore the file, or train anew in another --run-dir "
            "(with model.checkpoint_replay=false a resumed run fills its buffer anew)"
        )


def _reserve(path: Path, size: int) -> None:
    """Makes a file that has its blocks already: writing to a map on a full disk would end the process."""
    with disk.writing(path.parent, f"{size / 2**20:.3g} MiB more of the replay buffer"):
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _checksum(rows: np.ndarray, before: int = 0) -> int:
    """Of these rows, behind others whose checksum is known."""
    return zlib.crc32(np.ascontiguousarray(rows).view(np.uint8).data, before)
