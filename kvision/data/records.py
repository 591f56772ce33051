"""Files of tf.Example, read in any order: an index says where each record begins, and what its labels are.

`kvision data pack` lays the index of a file beside it. That of other files is made once, by reading the file through, and kept in the user's cache
folder until the file changes.

Reference: "TFRecord and tf.train.Example", tensorflow.org; a record is its length (8 bytes) with a checksum (4), and its data with another (4).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core import disk_cache, paths
from kvision.core.errors import DataError
from kvision.data import array_records, packed
from kvision.data.encoded_split import EncodedSplit, orientation
from kvision.data.files import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FRAME = 16
_GZIP = b"\x1f\x8b"
_VERSION = 1
USUAL = ("image/encoded", "image/class/label", "image/filename")
"""The features of what `kvision data pack` writes."""


@dataclass(frozen=True)
class Keys:
    """Names of the features of an example."""

    image: str
    label: str
    name: str


@dataclass(frozen=True)
class Index:
    """What a file of records holds.

    Attributes:
        offsets: Where each record begins, or its number in an ArrayRecord file, int64 `[N]`.
        names: A name for each record, `[N]`.
        orientations: EXIF orientation of each picture, int32 `[N]`.
        words: The labels of all records, one after another.
        lengths: How many labels each record has, int64 `[N]`.
    """

    offsets: np.ndarray
    names: np.ndarray
    orientations: np.ndarray
    words: np.ndarray
    lengths: np.ndarray

    def labels(self) -> list[tuple[str, ...]]:
        """The labels of each record as text; numbers in decimals."""
        ends = np.cumsum(self.lengths)
        return [tuple(self.words[end - length : end].tolist()) for end, length in zip(ends.tolist(), self.lengths.tolist(), strict=True)]

    @property
    def whole(self) -> bool:
        """Whether it can be used: the parts are of the kinds that `keep` writes, and fit each other."""
        parts = [np.asarray(getattr(self, field.name)) for field in fields(self)]
        if any(part.ndim != 1 for part in parts) or "".join(part.dtype.kind for part in parts) != "iUiUi":
            return False
        rows = {len(part) for part in (self.offsets, self.names, self.orientations, self.lengths)}
        fitting = (self.offsets >= 0).all() and (self.lengths >= 0).all() and (self.lengths <= len(self.words)).all()
        return bool(len(rows) == 1 and fitting and self.lengths.sum() == len(self.words))

    def keep(self, path: Path, **more: Any) -> None:
        """Writes the index into a file, which is whole or not there at all."""
        part = path.with_name(f".{path.stem}.{os.getpid()}.npz")
        try:
            np.savez_compressed(part, **{field.name: getattr(self, field.name) for field in fields(self)}, **more)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def keep_beside(self, file: Path) -> None:
        """Lays the index of a whole file beside it."""
        self.keep(beside(file), size=np.int64(file.stat().st_size))


@dataclass
class Making:
    """An index that grows with its file."""

    starts: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    orientations: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    end: int = 0

    def add(self, record: bytes, name: str, turn: int, labels: Sequence[object]) -> None:
        """The next record, with what is known of it."""
        self.starts.append(self.end)
        self.names.append(name)
        self.orientations.append(turn)
        self.words += map(str, labels)
        self.lengths.append(len(labels))
        self.end += len(record) + _FRAME

    def index(self, *, by_number: bool) -> Index:
        """The index; records are found `by_number` in an ArrayRecord file."""
        offsets = np.arange(len(self.starts)) if by_number else np.array(self.starts, np.int64)
        words, lengths = np.array(self.words, str), np.array(self.lengths, np.int64)
        return Index(offsets, np.array(self.names, str), np.array(self.orientations, np.int32), words, lengths)


def beside(file: Path) -> Path:
    """Where the index of a packed file lies."""
    return file.with_name(file.name + packed.INDEX)


def indices(files: Sequence[Path], keys: Keys) -> list[Index]:
    """The index of each file; raises `DataError` that names the file that can't be read and the record at fault."""
    return list(in_threads(lambda file: index(file, keys), files))


def index(file: Path, keys: Keys) -> Index:
    """The index of one file: that beside it, or from the cache if the file is as it was.

    Args:
        file: The file.
        keys: Names of the features.

    Returns:
        The index.

    Raises:
        DataError: If the file can't be read, is damaged or compressed, or holds no examples with these features.
    """
    try:
        state = file.stat()
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}") from error
    if (keys.image, keys.label, keys.name) == USUAL and (found := _found(beside(file), size=state.st_size)) is not None:
        return found
    about = repr((_VERSION, str(file.resolve()), state.st_size, state.st_mtime_ns, keys))
    kept = paths.cache_folder("records") / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.npz"
    if (found := _found(kept)) is not None:
        disk_cache.used(kept)
        return found
    made = _read(file, keys)
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, nothing else
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.keep(kept)
        disk_cache.shrink(keep=kept)
    return made


def _found(kept: Path, size: int | None = None) -> Index | None:
    """The index in a file; none where there is none, it is damaged, or was made of a file of another size."""
    # A damaged archive can fail in any way, and numpy does not close a file of that kind that it opened itself.
    with contextlib.suppress(Exception), kept.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        found = Index(**{field.name: arrays[field.name] for field in fields(Index)})
        if found.whole and (size is None or arrays["size"] == size):
            return found
    return None


def _read(file: Path, keys: Keys) -> Index:
    """Reads a file through."""
    try:
        with file.open("rb") as stream:
            start = stream.read(2)
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}") from error
    if start == _GZIP:
        raise DataError(f"{file}: is compressed, and records must be read in any order; unpack it (`gunzip`)")
    made, by_number = Making(), file.suffix == array_records.SUFFIX
    try:
        for number, record in enumerate(array_records.read_through(file) if by_number else _read_through(file)):
            features = _features(record, keys, f"{file}: record {number}")
            picture = features[keys.image].bytes_list.value[0]
            made.add(record, _name(features, keys.name) or f"{file.name}/{number}", int(orientation(picture)), _values(features[keys.label]))
    except (tf.errors.OpError, RuntimeError) as error:
        why = getattr(error, "message", error)
        raise DataError(f"{file}: record {len(made.names)} is damaged or cut short ({why}); copy or make the file again") from error
    if not made.names:
        raise DataError(f"{file}: holds no records")
    return made.index(by_number=by_number)


def _read_through(file: Path) -> Iterator[bytes]:
    """The records of a TFRecord file in order."""
    return tf.data.TFRecordDataset(str(file)).as_numpy_iterator()


def _features(record: bytes, keys: Keys, where: str) -> dict[str, tf.train.Feature]:
    """The features of a record, among which are picture and label."""
    try:
        features = dict(tf.train.Example.FromString(record).features.feature)
    except Exception as error:
        # protobuf's own DecodeError is not the same class in all of its implementations.
        raise DataError(f"{where}: is no tf.Example: {error}") from error
    for option, key in (("image", keys.image), ("label", keys.label)):
        if key not in features:
            raise DataError(f"{where}: has no feature {key!r}; it has {', '.join(sorted(features)) or 'none'}; say by data.{option}_key which it is")
    if len(features[keys.image].bytes_list.value) != 1:
        raise DataError(f"{where}: the feature {keys.image!r} is not one string of bytes, as an encoded picture is; data.image_key names another")
    return features


def _values(feature: tf.train.Feature) -> list[str]:
    """Labels as text."""
    return [value.decode(errors="backslashreplace") for value in feature.bytes_list.value] or [str(value) for value in feature.int64_list.value]


def _name(features: dict[str, tf.train.Feature], key: str) -> str:
    return features[key].bytes_list.value[0].decode(errors="backslashreplace") if key in features and features[key].bytes_list.value else ""


class RecordSplit(EncodedSplit):
    """Pictures in records of many files."""

    orientations: np.ndarray

    def __init__(self, files: np.ndarray, offsets: np.ndarray, key: str, names: Sequence[str], labels: np.ndarray, orientations: np.ndarray) -> None:
        """`files` (their names) and `offsets` say where each of the N records begins, `key` which feature is the picture."""
        super().__init__(names, labels, orientations)
        self.files, self._offsets, self._key = files, offsets, key

    def take(self, chosen: np.ndarray) -> RecordSplit:
        """The examples of these numbers."""
        names = [self.names[k] for k in chosen]
        return RecordSplit(self.files[chosen], self._offsets[chosen], self._key, names, self.labels[chosen], self.orientations[chosen])

    def file_bytes(self, index: tf.Tensor) -> tf.Tensor:
        """The picture in the record of this number; its checksum is verified."""
        file, offset = self.column("file", index, lambda: self.files), self.column("offset", index, lambda: self._offsets)
        variant = tf.raw_ops.TFRecordDatasetV2(filenames=file[None], compression_type="", buffer_size=8192, byte_offsets=offset[None])
        records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.apply_default_optimizations = False
        record = records.take(1).with_options(options).get_single_element()
        return tf.io.parse_single_example(record, {self._key: tf.io.FixedLenFeature([], tf.string)})[self._key]
