"""Writes the splits of a classification data set as TFRecord files, which are quicker to move and to read than a million small ones."""

from __future__ import annotations

import io
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from PIL import Image

from kvision.core.errors import DataError
from kvision.data import splits
from kvision.data.cache import reason
from kvision.data.encoded_split import EncodedSplit
from kvision.data.headers import HeaderError, parse_header
from kvision.data.sources.tfrecord import FACTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kvision.data.labelled_source import LabelledSource
    from kvision.data.source import SplitName
    from kvision.data.splits import Labelled


def pack(source: LabelledSource, out: Path, *, per_file: int = 1000, told: Callable[[int, int], None] | None = None) -> dict[SplitName, int]:
    """Writes every split, in the order of the hash of the names, so that each file holds a mixture of classes.

    Pictures that are stored encoded stay as they are, byte for byte; those of arrays become PNG.

    Args:
        source: The data set.
        out: The folder to write; it must be new or empty.
        per_file: Examples a file, at most.
        told: Is called with the number of examples done and their total.

    Returns:
        Examples of each split.

    Raises:
        DataError: If an example can't be read; the message names it.
        OSError: If a file can't be written.
    """
    names = source.info.class_names
    shards: list[tuple[Labelled, np.ndarray, Path]] = []
    for name, split in source.splits.items():
        count = -(-len(split) // per_file)
        for number, members in enumerate(np.array_split(splits.order(split.names, 0), count)):
            shards.append((split, members, out / f"{name}-{number:05}-of-{count:05}.tfrecord"))
    total, done, lock = sum(len(split) for split in source.splits.values()), 0, threading.Lock()

    def one_done() -> None:
        nonlocal done
        with lock:
            done += 1
            if told is not None:
                told(done, total)

    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in [pool.submit(_write, *shard, names, one_done) for shard in shards]:
            result.result()
    several = "targets" in source.info.fields
    facts = {"classes": list(names), "several": several, "examples": {name: len(split) for name, split in source.splits.items()}}
    (out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return {name: len(split) for name, split in source.splits.items()}


def _write(split: Labelled, members: np.ndarray, file: Path, class_names: Sequence[str], one_done: Callable[[], None]) -> None:
    """Writes one file under another name first, so that none is ever half there."""
    part = file.with_name(f".{file.name}.part")
    try:
        with tf.io.TFRecordWriter(str(part)) as writer:
            for number in members.tolist():
                writer.write(example(split, number, class_names).SerializeToString())
                one_done()
        part.replace(file)
    except tf.errors.OpError as error:
        raise OSError(f"{file}: {error.message}") from error
    finally:
        part.unlink(missing_ok=True)


def example(split: Labelled, number: int, class_names: Sequence[str]) -> tf.train.Example:
    """One example with the features that TF-Slim's readers expect: image/encoded, format, height, width, filename, class/label, class/text."""
    name = split.names[number]
    data = _encoded(split, number)
    try:
        header = parse_header(io.BytesIO(data))
    except HeaderError as error:
        raise DataError(f"{name}: {error}; mend or remove it, or set data.on_error: skip") from error
    label = split.labels[number]
    classes = np.flatnonzero(label) if label.ndim else np.array([label])

    def of_bytes(values: Sequence[bytes]) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_numbers(values: Sequence[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        "image/encoded": of_bytes([data]),
        "image/format": of_bytes([header.type.encode()]),
        "image/height": of_numbers([header.height]),
        "image/width": of_numbers([header.width]),
        "image/filename": of_bytes([name.encode()]),
        "image/class/label": of_numbers(classes.tolist()),
        "image/class/text": of_bytes([class_names[k].encode() for k in classes.tolist()]),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def _encoded(split: Labelled, number: int) -> bytes:
    """The picture as it is stored, or as PNG where it is not encoded."""
    index = tf.constant(number, tf.int64)
    try:
        if isinstance(split, EncodedSplit):
            return bytes(split.file_bytes(index).numpy())
        image = split.read(index, frozenset({"image"}))["image"].numpy()
    except tf.errors.OpError as error:
        raise DataError(f"{split.names[number]}: {reason(error)}; mend or remove it, or set data.on_error: skip") from error
    grey = (image == image[..., :1]).all()
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if grey else image).save(buffer, "PNG")
    return buffer.getvalue()
