"""Reads one YAML 1.2 file into plain values, with the place of every key and value, and refuses what is no recipe.

The file is read as a stream of parser events rather than loaded whole, so that depth, size and aliases are limited before anything is built:
a hostile file costs no more time than an honest one.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kvision.core import paths
from kvision.core.errors import Problem, RecipeError
from kvision.core.yaml_parser import Place, ValuePath, excerpt, parse

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 128_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class Document:
    """A file's values and their places.

    Attributes:
        path: The file.
        text: What it holds.
        values: Its mapping as plain Python values.
        places: Place of each value, by its path from the top; list items by their number.
    """

    path: Path
    text: str
    values: dict[Any, Any] = field(default_factory=dict)
    places: dict[ValuePath, Place] = field(default_factory=dict)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text without their ends."""
        return self.text.splitlines()

    @property
    def name(self) -> str:
        """The file's path as messages show it."""
        return paths.display(self.path)

    def locate(self, path: ValuePath, *, key: bool = False) -> tuple[str, str]:
        """Where a value is, for a person.

        Args:
            path: Path of the value; when it is not in the file, the nearest section around it that is.
            key: Whether the key is at fault rather than the value.

        Returns:
            `file:line:col` and the source line with a caret under it.
        """
        known = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.places), ())
        place = self.places.get(known, Place(0, 0))
        at_key = place.key is not None and (key or len(known) < len(path))
        line, column = place.key if at_key and place.key is not None else (place.line, place.column)
        return f"{self.name}:{line + 1}:{column + 1}", excerpt(self.lines, line, column)

    def line_of(self, path: ValuePath) -> str:
        """`file:line` of a value, as an origin shows it."""
        return self.locate(path)[0].rpartition(":")[0]


def fail(path: Path, message: str) -> RecipeError:
    """An error about a file as a whole."""
    return RecipeError([Problem(paths.display(path), "", message)])


def read(path: Path) -> Document:
    """Reads a recipe file.

    Args:
        path: The file.

    Returns:
        The values of its top mapping and the place of each.

    Raises:
        RecipeError: The file is missing, no regular file, too large, not UTF-8 text, not YAML 1.2, not a mapping, or uses what recipes may not:
            tags, duplicate keys, merge keys, too many or recursive aliases, too deep or too many values.
    """
    document = Document(path, _text(path))
    values, document.places = parse(document.text, document.name)
    if not isinstance(values, dict):
        what = "nothing: the file is empty or holds only comments" if values is None else f"a {_kind(values)}"
        where, shown = document.locate(()) if values is not None else (document.name, "")
        message = f"got {what}, expected keys and values such as `system: segmentation/unet`; see `kvision show unet` for a whole recipe"
        raise RecipeError([Problem(where, "", message, shown)])
    document.values = values
    return document


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "single value"


def _text(path: Path) -> str:
    """The file's text, or a RecipeError that says why there is none."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise fail(path, "is a folder, expected a recipe file (.yaml); name the file in it")
        if not stat.S_ISREG(status.st_mode):
            raise fail(path, "is no regular file, expected a recipe file (.yaml)")
        if status.st_size > MAX_BYTES:
            raise fail(path, f"has {status.st_size:,} bytes, a recipe has at most {MAX_BYTES:,}; is this the right file?")
        raw = path.read_bytes()
    except OSError as error:
        raise fail(path, f"can't be read: {(error.strerror or str(error)).lower()}; check the path and its permissions") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "is text in UTF-16, as PowerShell writes it" if raw[:2] in _UTF_16 else f"is not text: byte {error.start:,} is not UTF-8"
        raise fail(path, f"{what}; a recipe is a YAML file in UTF-8: save it as that") from error
    if "\0" in text:
        raise fail(path, f"is not text: byte {text.index(chr(0)):,} is a zero; a recipe is a YAML file in UTF-8: save it as that")
    return text
