"""A close look at one example, for `kvision data check`: what it gave, and which examples are the same picture."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import tensorflow as tf

from kvision.core import words
from kvision.data.cache import reason
from kvision.data.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
    from pathlib import Path

    import numpy as np

    from kvision.data.headers import FileType
    from kvision.data.source import Split, SplitName

_ENDS: dict[FileType, bytes] = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}
_NAMED = 6
Members = TypeVar("Members", bound="Sized")


@dataclass
class Examined:
    """What a close look at one example gave.

    Attributes:
        name: The example's name.
        mask_name: The mask's name, or the example's where it has no file of its own.
        faults: What is wrong with it.
        values: The values in the mask's file, if they are not colours.
        counts: Pixels of each decoded class `[256]`; none if the mask can't be read.
        digest: Hash of the decoded image; none if it was not looked at or can't be read.
        seams: Classes that only lie between others, see `masks.ghosts`.
    """

    name: str
    mask_name: str
    faults: list[Fault] = field(default_factory=list)
    values: frozenset[int] = frozenset()
    counts: np.ndarray | None = None
    digest: str | None = None
    seams: list[int] = field(default_factory=list)


def digest(image: np.ndarray) -> str:
    """Hash of an image's size and pixels."""
    return hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()


def decoded(decode: Any, path: Path, kind: FileType, name: str, found: Examined) -> np.ndarray | None:
    """The decoded file, or none and a fault."""
    try:
        data = path.read_bytes()
        with tf.device("CPU:0"):
            return decode(tf.constant(data)).numpy()
    except OSError as error:
        found.faults.append(Fault("unreadable", (name,), error.strerror or str(error)))
    except tf.errors.OpError:
        cut = _ENDS.get(kind, b"") not in data[-1024:] or (kind == "WebP" and len(data) < 8 + int.from_bytes(data[4:8], "little"))
        words = f"a {kind} file that ends too early ({len(data)} bytes)" if cut or kind == "BMP" else f"a damaged {kind} file"
        found.faults.append(Fault("truncated" if cut or kind == "BMP" else "corrupt", (name,), words))
    return None


def read(split: Split, number: int, fields: frozenset[str]) -> tuple[Examined, dict[str, np.ndarray]]:
    """An example of any source by way of its split: the image's hash, or why it can't be read; and its fields, none of them in that case."""
    name = split.names[number]
    found = Examined(name, name)
    try:
        with tf.device("CPU:0"):
            example = {key: value.numpy() for key, value in split.read(tf.constant(number, tf.int64), fields).items()}
    except tf.errors.OpError as error:
        found.faults.append(Fault("corrupt", (name,), f"it can't be read: {reason(error)}"))
        return found, {}
    found.digest = digest(example["image"])
    return found, example


def walk(
    splits: Mapping[SplitName, Members], look: Callable[[Members], Iterable[Examined]], told: Callable[[int, int], None]
) -> Iterator[tuple[SplitName, Examined]]:
    """Looks at every example of every split.

    Args:
        splits: The examples of each.
        look: Looks at all of a split, in their order.
        told: Is called with the number of examples done and their total.

    Yields:
        The split and what the look gave.
    """
    total, done = sum(map(len, splits.values())), 0
    for name, members in splits.items():
        for one in look(members):
            done += 1
            told(done, total)
            yield name, one


def same_pictures(found: Mapping[SplitName, Sequence[Examined]], label: Callable[[SplitName, int], str] | None = None) -> list[Fault]:
    """Pictures whose pixels are equal: with different labels, in two splits, or in one.

    Args:
        found: The examples of each split.
        label: Tells an example's label by its split and number; none: they have no labels.

    Returns:
        A fault for each such picture.
    """
    places: defaultdict[str, list[tuple[SplitName, int]]] = defaultdict(list)
    for split, members in found.items():
        for number, one in enumerate(members):
            if one.digest is not None:
                places[one.digest].append((split, number))
    faults = []
    for same in places.values():
        if len(same) == 1:
            continue
        names = tuple(found[split][number].name for split, number in same)
        labels = [label(split, number) for split, number in same] if label is not None else []
        if len(set(labels)) > 1:
            told = [f"{name} ({each})" for name, each in zip(names, labels, strict=True)]
            faults.append(Fault("two-labels", names, f"the same picture with different labels: {words.listed(told, _NAMED)}"))
        elif len({split for split, _ in same}) > 1:
            told = [f"{name} ({split})" for name, (split, _) in zip(names, same, strict=True)]
            faults.append(Fault("two-splits", names, f"the same picture in two splits: {words.listed(told, _NAMED)}"))
        else:
            faults.append(Fault("same-picture", names, f"the same picture {len(same)} times in {same[0][0]}: {words.listed(names, _NAMED)}"))
    return faults
