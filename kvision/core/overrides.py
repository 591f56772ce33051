"""Overrides of the command line: `model.depth=3`, `'model.filters=[8, 16]'`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kvision.core.errors import Problem, RecipeError
from kvision.core.yaml_parser import parse as parse_yaml

WHERE = "command line"
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class Override:
    """One override.

    Attributes:
        text: As it was typed.
        path: The dotted path's parts.
        value: The value by YAML 1.2 rules.
    """

    text: str
    path: tuple[str, ...]
    value: Any

    def excerpt(self, *, key: bool) -> str:
        """The override and a caret under its key or its value."""
        column = 0 if key else self.text.index("=") + 1
        return f"    {self.text[:200]}\n    {' ' * min(column, 200)}^"


def parse(text: str) -> Override:
    """Reads one override.

    Args:
        text: `section.key=value`; the value is YAML 1.2, so `1e-3` is a number and `[8, 16]` a list.

    Returns:
        The override.

    Raises:
        RecipeError: No `=`, no path before it, no value after it, or a value that is not YAML.
    """
    key, equals, value = text.partition("=")
    if not key and not value:
        raise _fault(text, 0, "got an `=` on its own; write key, `=` and value without spaces, such as `train.epochs=3`")
    if not equals:
        raise _fault(text, 0, "got no `=`, expected `key=value`, such as `train.epochs=3`")
    if not _PATH.fullmatch(key):
        raise _fault(text, 0, f"got {key!r} before the `=`, expected a dotted path such as `train.epochs`, without spaces")
    if not value.strip():
        raise _fault(text, len(key) + 1, f"got no value after the `=`; write `{key}=null` for none, or `{key}='\"\"'` for empty text", key)
    if re.search(r"(^|\s)#", value) and not re.search(r"[\"']", value):
        raise _fault(text, text.index("#"), "YAML ignores what follows ` #`; put the value in double quotes inside single ones", key)
    if "\n" in value:
        raise _fault(text.replace("\n", " "), len(key) + 1, "got several lines, expected one value", key)
    try:
        values, _ = parse_yaml(value, WHERE)
    except RecipeError as error:
        raise _fault(text, len(key) + 1, error.problems[0].message, key) from error
    return Override(text, tuple(key.split(".")), values)


def _fault(text: str, column: int, message: str, path: str = "") -> RecipeError:
    return RecipeError([Problem(WHERE, path, message, f"    {text[:200]}\n    {' ' * column}^")])
