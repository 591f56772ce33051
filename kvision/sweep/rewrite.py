"""New values in a recipe's own YAML: comments, order and everything else stay as they were written."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from kvision.core import overrides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.core.resolved import Resolved

WIDTH = 150
FROM_RECIPE = ("data.path", "data.data_dir", "model.weights")
"""Options whose relative paths start from the recipe's folder; those of other options start from `data.path`."""
PUBLISHED = "imagenet"
"""The value of `model.weights` that is a name and no path."""


def rewrite(
    text: str, assignments: Sequence[str] = (), *, without: Sequence[str] = (), moved: tuple[Path, Path] | None = None, headline: str = ""
) -> str:
    """A recipe with other values.

    Args:
        text: The recipe's YAML.
        assignments: `key=value` texts, as on the command line.
        without: Sections that are left out.
        moved: The folder that the recipe's relative paths start from, and the one where the new text will lie; none: it stays where it is.
        headline: A comment for the first line.

    Returns:
        YAML with the comments of `text`. Values that stood there are replaced, others are added to their section.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    values = yaml.load(text)
    for assignment in assignments:
        override = overrides.parse(assignment)
        _put(values, override.path, override.value)
    for section in without:
        values.pop(section, None)
    if moved is not None and isinstance(values.get("extends"), str):
        values["extends"] = _from_there(values["extends"], *moved)
    written = io.StringIO()
    yaml.dump(values, written)
    return (f"# {headline}\n" if headline else "") + written.getvalue()


def paths_from(resolved: Resolved, folder: Path) -> list[str]:
    """The `key=value` texts that make the relative paths of a recipe right for another folder.

    Args:
        resolved: The recipe.
        folder: Where it will lie.

    Returns:
        One text for each such path, if it leads to something that exists.
    """
    values = {path: value for path, value in resolved.leaves().items() if path in FROM_RECIPE and isinstance(value, str) and value != PUBLISHED}
    moved = {path: _from_there(value, resolved.base, folder) for path, value in values.items() if (resolved.base / value).exists()}
    return [f"{path}={json.dumps(value)}" for path, value in moved.items() if value != values[path]]


def _from_there(value: str, old: Path, new: Path) -> str:
    """A relative path as it is written in another folder."""
    return value if Path(value).expanduser().is_absolute() else Path(os.path.relpath((old / value).resolve(), new.resolve())).as_posix()


def _put(section: CommentedMap, path: Sequence[str], value: Any) -> None:
    """Sets one value; a mapping is merged into what is there, as an override is."""
    *above, last = path
    for name in above:
        if not isinstance(section.get(name), CommentedMap):
            section[name] = _flow()
        section = section[name]
    if isinstance(value, dict) and isinstance(section.get(last), CommentedMap):
        for name, inner in value.items():
            _put(section[last], (name,), inner)
    else:
        section[last] = _plain(value)


def _plain(value: Any) -> Any:
    return _flow(value) if isinstance(value, dict) else value


def _flow(values: Mapping[str, Any] | None = None) -> CommentedMap:
    """A section in one line, as short recipes have them."""
    made = CommentedMap(values or {})
    made.fa.set_flow_style()
    return made
