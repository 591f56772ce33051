"""Where a split's examples come from while training: decoded once into memory, or read anew each time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import psutil
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.core.labels import IGNORE_LABEL
from kvision.core.progress import Count
from kvision.core.schema import Chosen
from kvision.data.source import PICTURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.preprocess import Preprocess
    from kvision.data.source import DataInfo, Split

CHUNK = 64
SHARE_OF_MEMORY = 0.25


class Reader:
    """Reads one example of a split in the graph, a picture into the square unless it is to keep its size, and sees to it that its classes exist."""

    def __init__(self, split: Split, fields: frozenset[str], preprocess: Preprocess | None, info: DataInfo, *, uncut: bool = False) -> None:
        """Of pictures that are `uncut`, and with `fit="crop"`, each epoch cuts out another part."""
        self.split = split
        self.num_classes = info.num_classes
        self.uncut = preprocess is not None and (uncut or preprocess.fit == "crop")
        self._fields = fields
        self._preprocess = preprocess

    def __call__(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """The example of this number (scalar int64); the graph stops on a mask or label value that no class has.

        A split in memory whose pictures are the square already also takes a vector of numbers.
        """
        example = self.split.read(index, self._fields)
        checks = [tf.debugging.Assert(highest < self.num_classes, [field, highest]) for field, highest in _highest(example).items()]
        with tf.control_dependencies([check for check in checks if check is not None]):
            example = {name: tf.identity(value) for name, value in example.items()}
        return example if self.uncut or index.shape.rank == 1 else self._placed(example)

    @property
    def gathers(self) -> bool:
        """Whether it reads whole batches at once: from memory, and no picture must be brought into the square."""
        if self.uncut or not getattr(self.split, "in_memory", False):
            return False
        if self._preprocess is None:
            return True
        image = tf.data.Dataset.range(1).map(lambda index: self.split.read(index, frozenset({PICTURE}))).element_spec[PICTURE]
        return image.shape[:2].as_list() == [self._preprocess.size_px] * 2

    def blame(self, index: int) -> str | None:
        """Looks for what is wrong with one example.

        Args:
            index: Its number in the split.

        Returns:
            Why it can't be read, beginning with its name, or none.

        Raises:
            DataError: If its mask or labels hold a value that no class has: that is never skipped.
        """
        name = self.split.names[index]
        try:
            example = self.split.read(tf.constant(index, tf.int64), self._fields)
            self._placed(example)
        except tf.errors.OpError as error:
            return f"{name}: {reason(error)}"
        for field, highest in _highest(example).items():
            if highest >= self.num_classes:
                ignored = f" and {IGNORE_LABEL} (ignored)" if field == "mask" else ""
                raise DataError(
                    f"{name}: its {field} holds the value {int(highest)}; the {self.num_classes} classes are 0..{self.num_classes - 1}{ignored}; "
                    "`kvision data check` lists all such files"
                )
        return None

    def _placed(self, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The example with its picture, if it has one, in the square."""
        return example if self._preprocess is None else self._preprocess.place(example)


def reason(error: tf.errors.OpError) -> str:
    """The part of TensorFlow's message that says what is wrong, without the names of nodes."""
    text = str(error.message)
    return (text.partition("} }} ")[2] or text.partition("}} ")[2] or text).partition(" [Op:")[0].partition(" [[")[0].rstrip(". ")


def _highest(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The highest class in the mask and among the labels, int32 scalars, for those that the example has."""
    found = {}
    if "mask" in example:
        mask = example["mask"]
        found["mask"] = tf.cast(tf.reduce_max(tf.where(mask == IGNORE_LABEL, tf.zeros_like(mask), mask)), tf.int32)
    for name in ("label", "labels"):
        if name in example:
            found[name] = tf.reduce_max(example[name])
    return found


class Store:
    """The examples of one split, brought into the square unless they are to be cut first, to be fetched by number inside the graph.

    Attributes:
        names: A name for each example.
        skipped: Names of the examples that could not be read and were left out.
        vectorised: Whether `fetch` also takes a vector of numbers, which is much cheaper than one call for each.
    """

    def __init__(self, reader: Reader, kept: Sequence[int] | None = None) -> None:
        """Of all examples of the reader's split, or of those numbers that are `kept`."""
        names = reader.split.names
        self.reader = reader
        self.vectorised = reader.gathers
        self._kept = range(len(reader.split)) if kept is None else kept
        self.names = [names[index] for index in self._kept]
        left_out = set(range(len(reader.split))) - set(self._kept)
        self.skipped = [names[index] for index in sorted(left_out)]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> np.ndarray | None:
        """The classes of the examples as their split knows them, int32 `[N]` or uint8 `[N, K]`; none: it does not."""
        labels = getattr(self.reader.split, "labels", None)
        return None if labels is None else np.asarray(labels)[self._kept]

    @property
    def lengths(self) -> np.ndarray:
        """How long the longest text of each example is, as its split knows it, int32 `[N]`."""
        return np.asarray(self.reader.split.lengths)[self._kept]  # type: ignore[attr-defined]

    @property
    def in_ram(self) -> bool:
        """Whether the examples are in memory."""
        return bool(getattr(self.reader.split, "in_memory", False))

    def fetch(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """The example of this number (scalar int64; int64 `[b]` if `vectorised`), read from its split."""
        return self.reader(self.number(index))

    def number(self, index: tf.Tensor) -> tf.Tensor:
        """The number in its split of the example of this number."""
        return tf.constant(self._kept, tf.int64)[index] if self.skipped else index

    def original(self, index: int, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """The example of this number as its split gives it."""
        return self.reader.split.read(tf.constant(self._kept[index], tf.int64), fields)

    def blame(self, index: int) -> str | None:
        """Why the example of this number can't be read, or none; the message names it."""
        return self.reader.blame(self._kept[index])


class Cached(Store):
    """All examples in memory, one tensor `[num, ...]` a field."""

    def __init__(self, reader: Reader, kept: Sequence[int], arrays: dict[str, np.ndarray]) -> None:
        """Of those numbers that are `kept`; `arrays` `[num, ...]` hold them first."""
        super().__init__(reader, kept)
        self.vectorised = True
        with tf.device("CPU:0"):
            self._tensors = {name: tf.convert_to_tensor(array[: len(kept)]) for name, array in arrays.items()}

    @property
    def in_ram(self) -> bool:
        """Always."""
        return True

    def fetch(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """The example of this number (scalar int64), or the examples of these numbers (int64 `[b]`), from memory."""
        return {name: tf.gather(tensor, index) for name, tensor in self._tensors.items()}


def open_store(reader: Reader, mode: Literal["auto", "ram", "none"], on_error: Literal["stop", "skip"]) -> Store:
    """Chooses how the examples of a split are kept, and reads them when they are kept in memory.

    Args:
        reader: Reads one example.
        mode: `data.cache`.
        on_error: What to do with an example that can't be read; `skip` reads the whole split once to find them.

    Returns:
        The store.

    Raises:
        DataError: If an example can't be read and `on_error` is `stop`; the message names it.
    """
    if getattr(reader.split, "in_memory", False):
        return Store(reader)
    if reader.uncut and mode == "ram":
        raise DataError(
            "data.cache: ram does not go with data.fit: crop or data.augment.resized_crop, because the pictures differ in size; use data.cache: auto"
        )
    num = len(reader.split)
    in_ram = not reader.uncut and (
        mode == "ram" or (mode == "auto" and _bytes_each(reader) * num <= SHARE_OF_MEMORY * psutil.virtual_memory().available)
    )
    if not in_ram and on_error == "stop":
        return Store(reader)
    arrays: dict[str, np.ndarray] = {}
    kept: list[int] = []
    with contextlib.closing(_read_all(reader)) as examples:  # so that an error does not leave its progress bar on the terminal
        for index, example in examples:
            if isinstance(example, str):
                if on_error == "stop":
                    raise DataError(f"{example}. Mend or remove the file, or set data.on_error: skip; `kvision data check` lists all faults")
                continue
            if in_ram:
                for name, value in example.items():
                    arrays.setdefault(name, np.empty((num, *value.shape), value.dtype))[len(kept)] = value
            kept.append(index)
    if not kept:
        raise DataError(f"none of the {num} examples can be read; the first is {reader.split.names[0]}; see `kvision data check`")
    if not in_ram:
        return Store(reader, kept)
    return Cached(reader, kept, arrays)


def chosen_cache(train: Store, val: Store) -> Chosen:
    """Where the examples of the two splits are, as a value of `data.cache`; `auto` when one is in memory and the other is not."""
    if train.reader.uncut and val.in_ram and not train.in_ram:
        return Chosen("only the validation examples: training cuts other parts from the pictures each time", "auto")
    if train.in_ram == val.in_ram:
        return Chosen("the examples fit in a quarter of the free memory", "ram") if train.in_ram else Chosen("too little memory is free", "none")
    return Chosen(f"only the {'training' if train.in_ram else 'validation'} examples fit in memory", "auto")


def _bytes_each(reader: Reader) -> int:
    """Memory that an example takes, from the shapes of the graph; strings count as 64 bytes."""
    specs = tf.data.Dataset.range(1).map(reader).element_spec
    return sum(spec.shape.num_elements() * (64 if spec.dtype == tf.string else spec.dtype.size) for spec in specs.values())


def _read_all(reader: Reader) -> Any:
    """Yields `(number, example as numpy | why it can't be read)` for a whole split, in order."""
    num, chunk_size = len(reader.split), 1 if reader.uncut else CHUNK
    start = 0
    with Count("reading examples into memory", num) as count:
        while start < num:
            chunks = tf.data.Dataset.range(start, num).map(reader, num_parallel_calls=tf.data.AUTOTUNE)
            chunks = chunks.batch(chunk_size).prefetch(2)
            try:
                for chunk in chunks.as_numpy_iterator():
                    rows = len(next(iter(chunk.values())))
                    for row in range(rows):
                        yield start + row, {name: values[row] for name, values in chunk.items()}
                    start += rows
                    count.at(start)
            except tf.errors.OpError:
                end = min(start + chunk_size, num)
                yield from _read_one_by_one(reader, range(start, end))
                start = end


def _read_one_by_one(reader: Reader, indices: range) -> Any:
    """`_read_all` for a chunk of which at least one example can't be read."""
    for index in indices:
        reason = reader.blame(index)
        if reason is not None:
            yield index, reason
        else:
            yield index, {name: value.numpy() for name, value in reader(tf.constant(index, tf.int64)).items()}
