"""Writes the splits of a classification data set as a few large files, which are quicker to move and to read than a million small ones.

TensorFlow reads and decodes the pictures on all cores, so that none gets in that can't be read; one thread writes. A file is written under another
name, flushed, renamed, and then gets its index: a file with an index is whole, and a call that was killed goes on after the last of them. What is
written depends on the data alone, so the files are the same to the bit, however often that happened.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf

from kvision.core import disk
from kvision.core.errors import DataError, UsageError
from kvision.data import array_records, encoded, packed, records, splits
from kvision.data.cache import reason
from kvision.data.encoded_split import EncodedSplit
from kvision.data.files import in_threads
from kvision.data.headers import HeaderError, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from kvision.data.labelled_source import LabelledSource
    from kvision.data.source import SplitName
    from kvision.data.splits import Labelled

Form = Literal["tfrecord", "array_record"]
SUFFIXES: dict[Form, str] = {"tfrecord": ".tfrecord", "array_record": array_records.SUFFIX}
CHUNK = 32
"""Examples that come out of the pipeline at once: each time costs as much as an example's other work."""
PLAN = ".pack.json"
"""Says, while a folder is not finished, what it is to hold."""


@dataclass(frozen=True)
class Shard:
    """One file to write: examples of a split by their numbers."""

    split: Labelled
    members: np.ndarray
    file: Path

    @property
    def done(self) -> bool:
        """Whether it is there, whole."""
        return self.file.is_file() and records.beside(self.file).is_file()


def pack(
    source: LabelledSource, out: Path, *, per_file: int = 1000, form: Form = "tfrecord", told: Callable[[int, int], None] | None = None
) -> dict[SplitName, int]:
    """Writes every split, in the order of the hash of the names, so that each file holds a mixture of classes; or goes on doing so.

    Pictures that are stored encoded stay as they are, byte for byte; those of arrays become PNG.

    Args:
        source: The data set.
        out: The folder to write: new, empty, or left unfinished by a call with the same data, `per_file` and `form`.
        per_file: Examples a file, at most.
        form: What kind of files.
        told: Is called with the number of examples done and how many this call has to do.

    Returns:
        Examples of each split.

    Raises:
        UsageError: If the folder holds anything else.
        DataError: If an example can't be read, which the message names, or a package is missing.
        OSError: If a file can't be written.
    """
    writer = array_records.writer() if form == "array_record" else tf.io.TFRecordWriter
    shards = _shards(source, out, per_file, form)
    _begin(out, {"form": form, "per_file": per_file, "data": _fingerprint(source)})
    names = source.info.class_names
    waiting = [shard for shard in shards if not shard.done]
    total, done = sum(len(shard.members) for shard in waiting), 0
    pictures = _pictures(waiting)
    for shard in waiting:
        for _ in _write(shard, pictures, names, writer):
            done += 1
            if told is not None:
                told(done, total)
    facts = {
        "classes": list(names),
        "several": "targets" in source.info.fields,
        "examples": {name: len(split) for name, split in source.splits.items()},
        "form": form,
        "files": dict(zip((shard.file.name for shard in shards), in_threads(_checked, shards), strict=True)),
    }
    disk.replace(out / packed.FACTS, (json.dumps(facts, indent=2) + "\n").encode())
    (out / PLAN).unlink()
    return {name: len(split) for name, split in source.splits.items()}


def verify(folder: Path, told: Callable[[int, int], None] | None = None) -> list[str]:
    """Reads all files of a packed folder and compares their checksums.

    Args:
        folder: What `pack` wrote.
        told: Is called with the number of files done and their total.

    Returns:
        What is wrong, naming the file; nothing if all is well.

    Raises:
        DataError: If the folder was not packed, or has no checksums.
    """
    files = packed.facts(folder).get("files")
    if not files:
        raise DataError(f"{folder}: {packed.FACTS} is not there or has no checksums; give a folder that `kvision data pack` has finished")
    wrong = []
    for number, (name, expected) in enumerate(files.items(), start=1):
        file = folder / name
        if not file.is_file():
            wrong.append(f"{file}: is not there; it held {expected['examples']} examples")
        elif (found := file.stat().st_size) != expected["bytes"]:
            wrong.append(f"{file}: has {found} bytes, not {expected['bytes']}; copy it again")
        elif (hashed := _sha256(file)) != expected["sha256"]:
            wrong.append(f"{file}: is damaged: its SHA-256 is {hashed[:16]}..., not {expected['sha256'][:16]}...; copy it again")
        if told is not None:
            told(number, len(files))
    return wrong


def _shards(source: LabelledSource, out: Path, per_file: int, form: Form) -> list[Shard]:
    shards = []
    for name, split in source.splits.items():
        count = -(-len(split) // per_file)
        for number, members in enumerate(np.array_split(splits.order(split.names, 0), count)):
            shards.append(Shard(split, members, out / f"{name}-{number:05}-of-{count:05}{SUFFIXES[form]}"))
    return shards


def _fingerprint(source: LabelledSource) -> str:
    """Hash of names, labels and classes."""
    digest = hashlib.sha256(json.dumps([source.info.class_names, {name: list(split.names) for name, split in source.splits.items()}]).encode())
    for split in source.splits.values():
        digest.update(split.labels.tobytes())
    return digest.hexdigest()


def _begin(out: Path, plan: dict[str, object]) -> None:
    """Claims a new folder, or one that the same plan was begun in."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: {out} is a file; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    if not (out / PLAN).exists():
        if any(out.iterdir()):
            raise UsageError(f"--out: {out} is there already and not empty; give a new folder")
        disk.replace(out / PLAN, json.dumps(plan).encode())
    elif json.loads((out / PLAN).read_text(encoding="utf-8")) != plan:
        raise UsageError(f"--out: {out} was begun with other data, another --per-file or another --format; remove it, or give a new folder")


def _pictures(shards: Sequence[Shard]) -> Iterator[bytes]:
    """The encoded pictures of these files' examples in their order, each of which TensorFlow could decode; those of arrays as PNG."""
    parts = []
    for _, group in itertools.groupby(shards, lambda shard: id(shard.split)):
        mine = list(group)
        numbers = tf.data.Dataset.from_tensor_slices(np.concatenate([shard.members for shard in mine]).astype(np.int64))
        parts.append(numbers.map(functools.partial(_file_bytes, mine[0].split), tf.data.AUTOTUNE, deterministic=True))
    if not parts:
        return
    # One pipeline for all splits: to build it takes as long as some hundred pictures.
    files = functools.reduce(tf.data.Dataset.concatenate, parts)
    chunks = files.map(_decodable, tf.data.AUTOTUNE, deterministic=True).batch(CHUNK).prefetch(tf.data.AUTOTUNE)
    done = 0
    try:
        for chunk in chunks.as_numpy_iterator():
            yield from chunk
            done += len(chunk)
    except tf.errors.OpError:
        places = ((shard.split, number) for shard in shards for number in shard.members)
        for split, number in itertools.islice(places, done, done + CHUNK):
            try:
                _decodable(_file_bytes(split, tf.constant(number)))  # outside of the pipeline TensorFlow says what is wrong and nothing else
            except tf.errors.OpError as error:
                raise DataError(f"{split.names[number]}: {reason(error)}; mend or remove it, or set data.on_error: skip") from error
        raise


def _file_bytes(split: Labelled, number: tf.Tensor) -> tf.Tensor:
    """An encoded picture, string scalar."""
    return split.file_bytes(number) if isinstance(split, EncodedSplit) else _png(split.read(number, frozenset({"image"}))["image"])


def _decodable(data: tf.Tensor) -> tf.Tensor:
    """The bytes; the op fails if no picture can be decoded from them."""
    with tf.control_dependencies([encoded.stored(data)]):
        return tf.identity(data)


def _png(image: tf.Tensor) -> tf.Tensor:
    """PNG of uint8 `[H, W, 3]`, of one channel where it is grey."""
    grey = tf.reduce_all(image == image[..., :1])
    return tf.cond(grey, lambda: tf.io.encode_png(image[..., :1]), lambda: tf.io.encode_png(image))


def _write(shard: Shard, pictures: Iterator[bytes], class_names: Sequence[str], writer: Callable[[str], Any]) -> Iterator[int]:
    """Writes one file and then its index, each under another name first, so that none is ever half there; yields the examples' numbers."""
    part = shard.file.with_name(f".{shard.file.name}.part")
    made = records.Making()
    try:
        with writer(str(part)) as file:
            for number in shard.members.tolist():
                one, orientation = example(shard.split, number, next(pictures), class_names)
                serialised = one.SerializeToString(deterministic=True)  # else its features stand in another order in each process
                file.write(serialised)
                made.add(serialised, shard.split.names[number], orientation, _classes(shard.split.labels[number]))
                yield number
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(shard.file)
        made.index(by_number=shard.file.suffix == array_records.SUFFIX).keep_beside(shard.file)
    except tf.errors.OpError as error:
        raise OSError(f"{shard.file}: {error.message}") from error
    finally:
        part.unlink(missing_ok=True)


def example(split: Labelled, number: int, data: bytes, class_names: Sequence[str]) -> tuple[tf.train.Example, int]:
    """One example with the features that TF-Slim's readers expect: image/encoded, format, height, width, filename, class/label, class/text.

    Args:
        split: The split.
        number: The example's number in it.
        data: Its encoded picture.
        class_names: Names of the classes.

    Returns:
        The example, and its picture's EXIF orientation.

    Raises:
        DataError: If the picture's header can't be read; names it.
    """
    name = split.names[number]
    try:
        header = parse_header(io.BytesIO(data))
    except HeaderError as error:
        raise DataError(f"{name}: {error}; mend or remove it, or set data.on_error: skip") from error
    classes = _classes(split.labels[number])

    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_numbers(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        "image/encoded": of_bytes(data),
        "image/format": of_bytes(header.type.encode()),
        "image/height": of_numbers(header.height),
        "image/width": of_numbers(header.width),
        "image/filename": of_bytes(name.encode()),
        "image/class/label": of_numbers(*classes),
        "image/class/text": of_bytes(*(class_names[k].encode() for k in classes)),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)), header.orientation


def _classes(label: np.ndarray) -> list[int]:
    """The numbers of an example's classes."""
    return np.flatnonzero(label).tolist() if np.ndim(label) else [int(label)]


def _checked(shard: Shard) -> dict[str, object]:
    """What the index file says of a file."""
    return {"examples": len(shard.members), "bytes": shard.file.stat().st_size, "sha256": _sha256(shard.file)}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
