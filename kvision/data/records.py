"""TFRecord files of tf.Example, read in any order: an index says where each record begins, and what its labels are.

The index of a file is made once, by reading the file through, and kept in the user's cache folder until the file changes.

Reference: "TFRecord and tf.train.Example", tensorflow.org; a record is its length (8 bytes) with a checksum (4), and its data with another (4).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.core import paths
from kvision.core.errors import DataError
from kvision.data.encoded_split import EncodedSplit, orientation
from kvision.data.files import in_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FRAME = 16
_GZIP = b"\x1f\x8b"
_VERSION = 1


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
        offsets: Where each record begins, int64 `[N]`.
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


def indices(files: Sequence[Path], keys: Keys) -> list[Index]:
    """The index of each file; raises `DataError` that names the file that can't be read and the record at fault."""
    return list(in_threads(lambda file: index(file, keys), files))


def index(file: Path, keys: Keys) -> Index:
    """The index of one file, from the cache if the file is as it was.

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
    about = repr((_VERSION, str(file.resolve()), state.st_size, state.st_mtime_ns, keys))
    kept = paths.cache_folder("records") / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.npz"
    with contextlib.suppress(OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile), np.load(kept, allow_pickle=False) as arrays:
        return Index(**{field.name: arrays[field.name] for field in fields(Index)})
    made = _read(file, keys)
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, nothing else
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f"{kept.stem}.{os.getpid()}.npz")
        np.savez(part, **{field.name: getattr(made, field.name) for field in fields(Index)})
        part.replace(kept)
    return made


def _read(file: Path, keys: Keys) -> Index:
    """Reads a file through."""
    try:
        with file.open("rb") as stream:
            start = stream.read(2)
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}") from error
    if start == _GZIP:
        raise DataError(f"{file}: is compressed, and records must be read in any order; unpack it (`gunzip`)")
    offsets, names, orientations, words, lengths = [], [], [], [], []
    at = 0
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(file)).as_numpy_iterator()):
            features = _features(record, keys, f"{file}: record {number}")
            labels = _values(features[keys.label])
            offsets.append(at)
            names.append(_name(features, keys.name) or f"{file.name}/{number}")
            orientations.append(orientation(features[keys.image].bytes_list.value[0]))
            words += labels
            lengths.append(len(labels))
            at += len(record) + _FRAME
    except tf.errors.OpError as error:
        raise DataError(f"{file}: record {len(offsets)} is damaged or cut short ({error.message}); copy or make the file again") from error
    if not offsets:
        raise DataError(f"{file}: holds no records")
    return Index(np.array(offsets, np.int64), np.array(names), np.array(orientations, np.int32), np.array(words, str), np.array(lengths, np.int64))


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
        self._files, self._offsets, self._key = files, offsets, key

    def take(self, chosen: np.ndarray) -> RecordSplit:
        """The examples of these numbers."""
        names = [self.names[k] for k in chosen]
        return RecordSplit(self._files[chosen], self._offsets[chosen], self._key, names, self.labels[chosen], self.orientations[chosen])

    def file_bytes(self, index: tf.Tensor) -> tf.Tensor:
        """The picture in the record of this number; its checksum is verified."""
        file, offset = self.column("file", index, lambda: self._files), self.column("offset", index, lambda: self._offsets)
        variant = tf.raw_ops.TFRecordDatasetV2(filenames=file[None], compression_type="", buffer_size=8192, byte_offsets=offset[None])
        records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.apply_default_optimizations = False
        record = records.take(1).with_options(options).get_single_element()
        return tf.io.parse_single_example(record, {self._key: tf.io.FixedLenFeature([], tf.string)})[self._key]
