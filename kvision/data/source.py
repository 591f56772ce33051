"""The seam between data sets and the pipeline: a source has splits, a split reads any one example in the graph.

A new source is one file in `kvision/data/sources/`; its name is the recipe's `data.source`. Importing it must not import TensorFlow.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from kvision.core import paths
from kvision.core.errors import DataError
from kvision.data import remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import tensorflow as tf

    from kvision.core.schema import Chosen, SourceOptions
    from kvision.data.environments.environment import Maker
    from kvision.data.text.texts import Kept, Texts

SplitName = Literal["train", "val", "test"]
PICTURE = "image"
"""The field that holds an example's picture."""


@dataclass(frozen=True)
class DataInfo:
    """What a data set is about.

    Attributes:
        class_names: Names of the K classes; in segmentation the first is the background.
        palette: K colours `(r, g, b)`, 0-255.
        fields: The example fields that the source can give, such as `image`, `mask`, `boxes`.
        texts: Of data sets whose examples have texts.
        environment: Of sources whose examples are steps and episodes of an environment.
    """

    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    fields: frozenset[str]
    texts: Texts | None = None
    environment: Maker | None = None

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)


class Split(Protocol):
    """A numbered list of examples, each of which can be read on its own.

    `read` is called inside `tf.data.Dataset.map`, so it is traced once and must be built of TensorFlow ops. The fields, all optional:
    `image` uint8 `[H, W, 3]` RGB; `mask` uint8 `[H, W]`, 255 ignored; `instances` uint8 `[H, W]`, 0 none, 1..N; `boxes` float32
    `[N, 4]` as ymin, xmin, ymax, xmax in pixels, rows of padding all -1; `labels` int32 `[N]`, padding -1; `order` int32 `[N]`, 0 the
    farthest, padding -1; `captions` string `[R]`, fewer are filled up with empty ones; `tokens` int32 `[R, L + 2]`, the same as numbers, padding 0;
    `content` string scalar, what the picture shows where that is known exactly, as `scenes.content.Content.to_json` says it; `label` int32 scalar,
    the picture's one class; `targets` float32 `[K]`, 1 for each of the picture's classes, else 0.

    A split whose examples have texts knows them by an attribute `captions`, the sentences of each, and how long they are as numbers by an
    attribute `lengths` int32 `[N]`: the longest of each, start and end included.

    A split whose pictures have classes knows them without reading pictures, by an attribute `labels`: int32 `[N]`, or uint8 `[N, K]` for `targets`.

    A split that holds all examples in memory says so by an attribute `in_memory = True`: the pipeline then makes no copy of them, and `read` must
    also take a vector of numbers int64 `[b]` and give every field with b in front.

    A split whose examples are alike, such as the steps of an environment, says so by an attribute `alike = True`: each training batch is then the
    first one.

    A split whose `read` needs no Python when it runs, so that other processes can read it, says so by an attribute `remotable = True`.

    A split whose examples follow one another, such as the windows of a text, and are to be trained on in their order says so by an attribute
    `consecutive = True`: each place of the batch then reads on, from step to step, where it stopped.
    """

    names: Sequence[str]
    """A name for each example that a person can find it by: its file, or `scenes/val/17`."""

    def __len__(self) -> int: ...

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Example number `index` (scalar int64) with the fields asked for."""
        ...


class Source(abc.ABC):
    """A data set. Making one must be quick: heavy work belongs into `split`."""

    Options: ClassVar[type[SourceOptions]]

    kept: ClassVar[Kept | None] = None
    """Vocabulary and length of the texts of the run that the data is read for, to be given to `Texts`; none: it learns them."""

    def __init__(self, options: Any, *, seed: int, base: Path) -> None:
        """Keeps the options; `base` is the folder that the recipe's relative paths start from, `seed` is `train.seed`."""
        self.options = options
        self.seed = seed
        self.base = base

    def located(self, path: str) -> Path:
        """A path that the recipe or the command line gives: from `base`, or else, where that is not there, from the working folder; `~` is home.

        What lies elsewhere, such as at `s3://bucket/folder`, is first brought here (`kvision.data.remote`).
        """
        return remote.mirrored(path) if remote.is_remote(path) else paths.located(path, self.base)

    @property
    @abc.abstractmethod
    def info(self) -> DataInfo:
        """What the data set is about; may read folders, not pixels."""

    @abc.abstractmethod
    def split(self, name: SplitName) -> Split:
        """The training, validation or test examples; raises `DataError` that names the file and the fix, or says that there is no such split."""

    def no_test_split(self) -> DataError:
        """What `split("test")` raises where there is none."""
        return DataError(f"data.source: {self.options.source} has no test split; use --split val, or data that has one")

    def chosen(self) -> dict[str, Chosen]:
        """What the data itself decides for options that `Options.chosen` leaves without a value, by option."""
        return {}

    def report(self) -> dict[str, Any]:
        """What the run folder should keep of this data set: counts, files of each split, files left out."""
        return {}
