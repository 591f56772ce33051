"""Types in plain words: what an option accepts, and how a value looks in YAML."""

from __future__ import annotations

import json
import math
import types
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOWN = 60
MAX_KEYS = 6
_BOUNDS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")
_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path", type(None): "null", Any: "any value"}


def accepts(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """What a type accepts.

    Args:
        annotation: The type, such as `int`, `Literal["a", "b"]` or `tuple[float, ...] | None`.
        metadata: Pydantic's constraints on it.

    Returns:
        Plain words, such as `a whole number from 1 to 8`.
    """
    annotation, metadata = _unwrap(annotation, metadata)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(show(arg) for arg in args)
    if origin in (typing.Union, types.UnionType):
        parts = [accepts(arg, metadata) for arg in args if arg is not type(None)]
        return " or ".join([*parts, *(["null"] if type(None) in args else [])])
    if origin in (tuple, list, set, frozenset):
        return _list_words(origin, args, _bounds(metadata))
    if origin is dict or annotation is dict:
        return "keys with values" if len(args) < 2 else f"keys with values, each {accepts(args[1])}"
    if is_section(annotation):
        return section_words(annotation)
    return _PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation))) + _range_words(annotation, _bounds(metadata))


def section_words(section: type[BaseModel]) -> str:
    """A section and its first keys, in plain words."""
    names = list(section.model_fields)
    return f"a section of keys ({', '.join(names[:MAX_KEYS])}{' ...' if len(names) > MAX_KEYS else ''})"


def field_accepts(field: FieldInfo) -> str:
    """What one field of a section accepts, in plain words."""
    return accepts(field.annotation, field.metadata)


def show(value: Any, limit: int = SHOWN) -> str:
    """A value as a person would write it in YAML on one line, shortened to `limit` characters."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if value is None:
        return "null"
    if isinstance(value, float):
        text = ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf") if math.isinf(value) else repr(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        text = number(value)
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(item, limit) for item in value) + "]"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {show(item, limit)}" for key, item in value.items()) + "}"
    elif isinstance(value, (str, Path)):
        text = str(value)
    else:
        text = json.dumps(value, default=str)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def got(value: Any) -> str:
    """A value as a message quotes what came: text in quotes, so that '3' and 3 differ."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, str):
        return repr(show(value))
    if isinstance(value, dict):
        return f"a section with {', '.join(str(key) for key in list(value)[:5])}" if value else "an empty section"
    return show(value)


def number(value: float) -> str:
    """A bound as a person writes it: 8, 0.5, 1e9, 2147483648."""
    if isinstance(value, int) and (abs(value) < 10**6 or (value % 10**6 and abs(value) < 10**16)):
        return str(value)
    try:
        return f"{value:g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    except OverflowError:
        return f"a whole number of {len(str(abs(value)))} digits"


def is_section(annotation: Any) -> bool:
    """Whether a type is a section of a recipe."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def without_null(annotation: Any) -> Any:
    """`X` of `X | None`; any other type as it is."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    members = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
    return members[0] if len(members) == 1 else annotation


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, also when it may be null; none when the field is a plain value."""
    annotation, _ = _unwrap(without_null(annotation), ())
    return typing.cast("type[BaseModel]", annotation) if is_section(annotation) else None


def leaves(section: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every option of a section and of the sections in it, with its path."""
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is None:
            yield (*path, name), field
        else:
            yield from leaves(inner, (*path, name))


def _unwrap(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Takes `Annotated` apart, also where pydantic keeps constraints inside a nested FieldInfo."""
    found = list(metadata)
    while typing.get_origin(annotation) is typing.Annotated:
        annotation, *more = typing.get_args(annotation)
        for item in more:
            found.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return annotation, found


def _bounds(metadata: Sequence[Any]) -> dict[str, Any]:
    """The narrowest of each bound; a type and its field may both have one."""
    found: dict[str, Any] = {}
    for item in metadata:
        for name in _BOUNDS:
            bound = getattr(item, name, None)
            if bound is not None:
                narrower = max if name in ("ge", "gt", "min_length") else min
                found[name] = narrower(found.get(name, bound), bound)
    return found


def _range_words(annotation: Any, bounds: dict[str, Any]) -> str:
    if annotation is str:
        return " that is not empty" if bounds.get("min_length") == 1 else ""
    if annotation is int and "lt" in bounds:
        bounds = {**bounds, "le": int(bounds["lt"]) - 1}
        del bounds["lt"]
    low = f"from {number(bounds['ge'])}" if "ge" in bounds else f"above {number(bounds['gt'])}" if "gt" in bounds else ""
    high = f"to {number(bounds['le'])}" if "le" in bounds else f"below {number(bounds['lt'])}" if "lt" in bounds else ""
    if low and high:
        joined = f" {low} to {high.removeprefix('to ')}" if "ge" in bounds else f" {low} and {high.replace('to', 'at most', 1)}"
    elif low:
        joined = f" of at least {number(bounds['ge'])}" if "ge" in bounds else f" {low}"
    else:
        joined = f" of at most {number(bounds['le'])}" if "le" in bounds else f" {high}" if high else ""
    return joined + (f" that is a multiple of {number(bounds['multiple_of'])}" if "multiple_of" in bounds else "")


def _list_words(origin: Any, args: tuple[Any, ...], bounds: dict[str, Any]) -> str:
    if origin is tuple and args and args[-1] is not Ellipsis:
        same = len({str(arg) for arg in args}) == 1
        return f"a list of {len(args)}: " + (f"each {accepts(args[0])}" if same else ", ".join(accepts(arg) for arg in args))
    low, high = bounds.get("min_length"), bounds.get("max_length")
    count = f" of {low or 0} to {high}" if high is not None else f" of at least {low}" if low else ""
    return f"a list{count}" + (f", each {accepts(args[0])}" if args else "")
