"""From files of records to labelled splits: class names and numbers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import DataError
from kvision.data import array_records, classes, records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.data.records import Index, Keys
    from kvision.data.source import SplitName


Records = records.RecordSplit | array_records.ArrayRecordSplit


def pools(
    files: Mapping[SplitName, Sequence[Path]], keys: Keys, given: Sequence[str] | None, *, first: int = 0, several: bool | None = None
) -> tuple[dict[SplitName, Records], tuple[str, ...]]:
    """Makes splits of files.

    Args:
        files: Those of each split.
        keys: Names of the features.
        given: Names of the classes; none: the labels themselves.
        first: The number that the first class has in the files.
        several: Whether an example can be of any number of classes; none: as soon as one is of none or of two.

    Returns:
        The splits, and the names of the classes.

    Raises:
        DataError: If a file can't be used, or a label is no class.
    """
    found = {split: records.indices(members, keys) for split, members in files.items()}
    labels = {split: [label for one in members for label in one.labels()] for split, members in found.items()}
    everything = list(itertools.chain(*labels.values()))
    several = any(len(label) != 1 for label in everything) if several is None else several
    words = {word for label in everything for word in label}
    if words and all(word.isdecimal() for word in words):
        labels = {split: [tuple(_counted(word, first) for word in label) for label in members] for split, members in labels.items()}
        names = tuple(given) if given is not None else classes.of_numbers(None, [np.array([int(word) - first for word in words])], first=first)
        numbers: Sequence[str] = [str(k) for k in range(len(names))]
    else:
        names = tuple(given) if given is not None else classes.of_words(words)
        numbers = names
    made = {
        split: _split_of(files[split], members, keys, classes.numbered(labels[split], numbers, _names(members), several=several))
        for split, members in found.items()
    }
    return made, names


def _counted(word: str, first: int) -> str:
    """A class's number, counted from 0."""
    if int(word) < first:
        raise DataError(f"data.first_class: {first}, but the files hold the label {word}; use {word} or less")
    return str(int(word) - first)


def _names(members: Sequence[Index]) -> list[str]:
    return [name for one in members for name in one.names.tolist()]


def _split_of(files: Sequence[Path], members: Sequence[Index], keys: Keys, labels: np.ndarray) -> Records:
    by_number = {file.suffix == array_records.SUFFIX for file in files}
    if len(by_number) > 1:
        raise DataError(f"{files[0].parent}: holds ArrayRecord and TFRecord files of one split; choose by data.train_files, such as train*.tfrecord")
    kind = array_records.ArrayRecordSplit if by_number == {True} else records.RecordSplit
    places = np.repeat([str(file) for file in files], [len(one.offsets) for one in members])
    offsets, turns = (np.concatenate([getattr(one, name) for one in members]) for name in ("offsets", "orientations"))
    return kind(places, offsets, keys.image, _names(members), labels, turns)
