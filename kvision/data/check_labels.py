"""What is wrong with a classification data set: files, classes that are missing or rare, and pictures that occur twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.core import words
from kvision.data import encoded, examined, files, labelled_source
from kvision.data.arrays import ArraySplit
from kvision.data.encoded_split import FileSplit
from kvision.data.examined import Examined
from kvision.data.faults import Fault
from kvision.data.headers import read_header
from kvision.ops import exif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kvision.data.labelled_source import LabelledSource
    from kvision.data.source import DataInfo, SplitName
    from kvision.data.splits import Labelled

SKEW = 10.0
"""A class with so many times fewer training examples than another one is worth a warning."""
_CHUNK = 1024


def check(source: LabelledSource, told: Callable[[int, int], None]) -> list[Fault]:
    """Looks at every example of every split.

    Args:
        source: The data set.
        told: Is called with the number of examples done and their total.

    Returns:
        The faults.

    Raises:
        DataError: If there is nothing to look at.
    """
    skipping = type(source)(source.options.model_copy(update={"on_error": "skip"}), seed=source.seed, base=source.base)
    splits = skipping.splits
    faults = list(skipping.found.faults)
    found: dict[SplitName, list[Examined]] = {name: [] for name in splits}
    for name, one in examined.walk(splits, examine, told):
        found[name].append(one)
        faults += one.faults
    info = skipping.info
    same = examined.same_pictures(found, lambda split, number: _label(info, splits[split].labels[number]))
    return faults + missing(info, splits) + skew(info, splits["train"]) + same


def examine(split: Labelled) -> Iterator[Examined]:
    """Reads every picture of a split, in order: its hash, or why it can't be read."""
    if isinstance(split, ArraySplit):
        for start in range(0, len(split), _CHUNK):
            chunk = tf.range(start, min(start + _CHUNK, len(split)), dtype=tf.int64)
            images = split.read(chunk, frozenset({"image"}))["image"].numpy()
            for number, image in enumerate(images, start=start):
                yield Examined(split.names[number], split.names[number], digest=examined.digest(image))
    else:
        yield from files.in_threads(lambda number: _look(split, number), range(len(split)))


def _look(split: Labelled, number: int) -> Examined:
    if not isinstance(split, FileSplit):
        return examined.read(split, number, frozenset({"image"}))[0]
    name, file, orientation = split.names[number], split.files[number], int(split.orientations[number])
    found = Examined(name, name)
    kind = read_header(file).type
    image = examined.decoded(lambda data: exif.upright(encoded.stored(data), tf.constant(orientation)), file, kind, name, found)
    found.digest = None if image is None else examined.digest(image)
    return found


def missing(info: DataInfo, splits: Mapping[SplitName, Labelled]) -> list[Fault]:
    """Classes without an example to train on, or none to validate with."""
    counts = {name: labelled_source.counts(split.labels, info.num_classes) for name, split in splits.items()}
    found = []
    for k, name in enumerate(info.class_names):
        if counts["train"][k] == 0:
            found.append(Fault("no-example", (name,), f"class {k} ({name}) has no training example"))
        elif counts["val"][k] == 0:
            trained = words.counted(int(counts["train"][k]), "training example")
            found.append(Fault("not-in-val", (name,), f"class {k} ({name}) has {trained} and none in val, so nothing is known of it"))
    return found


def skew(info: DataInfo, train: Labelled) -> list[Fault]:
    """A fault if the commonest class has `SKEW` times as many training examples as the rarest, or more."""
    counts = labelled_source.counts(train.labels, info.num_classes)
    rare, common = int(np.where(counts > 0, counts, counts.max()).argmin()), int(counts.argmax())
    ratio = counts[common] / max(counts[rare], 1)
    if ratio < SKEW:
        return []
    names = (info.class_names[rare], info.class_names[common])
    return [Fault("skewed", names, f"{names[1]} has {counts[common]:,} training examples, {names[0]} {counts[rare]:,}: {ratio:.0f} times fewer")]


def _label(info: DataInfo, label: np.ndarray) -> str:
    """The name of a class, or those of several."""
    return " and ".join(info.class_names[k] for k in np.flatnonzero(label)) or "none" if label.ndim else info.class_names[int(label)]
