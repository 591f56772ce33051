"""Plain text, of files or of Python's own reference manual, in windows that follow one another: what models of language are trained on.

The end of each file is for validation. A training window holds one piece more than `max_length`, for each piece is to be told from those before it;
a validation window begins with `context` pieces that are read, but not counted, so that no piece is told from nothing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import host, utf8
from kvision.data.files import visible
from kvision.data.source import DataInfo, Source, SplitName
from kvision.data.text import manual
from kvision.data.text.texts import PieceOptions, Texts
from kvision.data.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import tensorflow as tf

    from kvision.core.schema import SourceOptions


class Options(PieceOptions):
    """Which texts, and how they are cut into windows."""

    source: Literal["text"] = "text"
    path: str | tuple[str, ...] | None = Field(
        None, description="Files, or folders of `.txt` files, relative to the recipe's file; none: Python's own reference manual."
    )
    val_split: float = Field(0.1, gt=0.0, lt=1.0, description="Share of each file, its end, that is for validation.")
    pieces: Literal["word", "byte_pair", "character"] = Field("character", description="What the texts are cut into.")
    lower: bool = Field(False, description="Bring the texts to lower case.")
    max_length: int = Field(64, ge=1, le=4096, description="Pieces of a window: through so many the gradient goes back.")
    context: int = Field(64, ge=0, le=4096, description="Pieces that are read before a validation window, and not counted.")
    order: Literal["lanes", "shuffled"] = Field(
        "lanes", description="`lanes`: each place of the batch reads on where it stopped, so that a state can be handed on; `shuffled`: at random."
    )


_Options = Options  # inside the source, `Options` is its attribute


class WindowSplit:
    """Windows of one long text, in memory.

    Args:
        name: Which split.
        numbers: The text's pieces, int32 `[N]`.
        width: Pieces of a window.
        step: Pieces from the beginning of one window to that of the next.
        consecutive: Whether places of a batch are to read on where they stopped.

    Attributes:
        names: Where each window begins.
    """

    in_memory = True

    def __init__(self, name: SplitName, numbers: np.ndarray, width: int, step: int, *, consecutive: bool) -> None:
        self.names: Sequence[str] = [f"text/{name}/{start}" for start in range(0, len(numbers) - width + 1, step)]
        self.consecutive = consecutive
        self._numbers, self._width, self._step = numbers, width, step

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Window number `index` (scalar int64, or int64 `[b]`): `text` int32 `[width]`."""
        import tensorflow as tf

        del fields
        places = index[..., None] * self._step + tf.range(self._width, dtype=tf.int64)
        return {"text": tf.gather(self._tensor, places)}

    @functools.cached_property
    def _tensor(self) -> tf.Tensor:
        return host.tensor(self._numbers)


class Text(Source):
    """Windows of plain text; the field is `text`."""

    Options: ClassVar[type[SourceOptions]] = Options
    options: _Options

    @functools.cached_property
    def info(self) -> DataInfo:
        """There are no classes; reads nothing yet."""
        return DataInfo((), (), frozenset({"text"}), self._texts)

    @functools.cached_property
    def _texts(self) -> Texts:
        return Texts(lambda: [[self._parts["train"]]], self.options, kept=self.kept)

    @functools.cached_property
    def _files(self) -> dict[str, str]:
        """The texts by the name of their file."""
        if self.options.path is None:
            return {"pydoc_data": manual.text()}
        given = [self.options.path] if isinstance(self.options.path, str) else self.options.path
        return {str(file): utf8.read(file) for path in given for file in _found(self.located(path))}

    @functools.cached_property
    def _parts(self) -> dict[SplitName, str]:
        """The text of each split: the beginnings of all files, and their ends."""
        cuts = {name: round(len(text) * (1 - self.options.val_split)) for name, text in self._files.items()}
        return {
            "train": "\n".join(text[: cuts[name]] for name, text in self._files.items()),
            "val": "\n".join(text[cuts[name] :] for name, text in self._files.items()),
        }

    @functools.cached_property
    def _numbers(self) -> dict[SplitName, np.ndarray]:
        return {name: np.array(self._texts.vocabulary.encode(text), np.int32) for name, text in self._parts.items()}

    def split(self, name: SplitName) -> WindowSplit:
        """The windows of a split; raises `DataError` where its text is too short for one."""
        if name == "test":
            raise self.no_test_split()
        options, numbers = self.options, self._numbers[name]
        width = options.max_length + 1 + (options.context if name == "val" else 0)
        if len(numbers) < width:
            raise DataError(
                f"data.path: the {name} text has {len(numbers)} pieces, a window takes {width}; "
                f"give more text, a smaller data.max_length or data.context, or another data.val_split"
            )
        return WindowSplit(name, numbers, width, options.max_length, consecutive=options.order == "lanes")

    def report(self) -> dict[str, Any]:
        """The files and their characters, and how many pieces each split has."""
        pieces = {name: len(numbers) for name, numbers in self._numbers.items()}
        unknown = {name: int(np.sum(numbers == UNKNOWN)) for name, numbers in self._numbers.items()}
        return {"files": {name: len(text) for name, text in self._files.items()}, "pieces": pieces, "unknown": unknown}


def _found(path: Path) -> list[Path]:
    """A file, or the text files of a folder."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"data.path: there is no file or folder {path}; give a text file, or a folder of .txt files")
    files = [file for file in visible(path) if file.suffix == ".txt"]
    if not files:
        raise DataError(f"data.path: the folder {path} holds no .txt file; name the files themselves if they end otherwise")
    return files
