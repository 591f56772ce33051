"""Pydantic's complaints in the words of a recipe: what came, what is accepted, what to do."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Any, Literal

from pydantic.fields import FieldInfo

from kvision.core import describe, words
from kvision.core.names import did_you_mean

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

Loc = tuple[str | int, ...]
MAX_LISTED = 14
MAX_FLOAT = 1.8e308


@dataclass(frozen=True)
class Fault:
    """One complaint.

    Attributes:
        path: The value's path from the top of the recipe.
        message: What came, what is accepted, what to do.
        kind: `unknown` key, `missing` key, wrong `value`, unknown `name` of a system or source, or a `rule` between several values.
    """

    path: Loc
    message: str
    kind: Literal["unknown", "missing", "value", "name", "rule"]

    @property
    def dotted(self) -> str:
        """The path as messages show it: `optim.step_at[1]`."""
        return dotted(self.path)


def dotted(path: Sequence[str | int]) -> str:
    """A path as a person writes it: `optim.groups[0].match`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def translate(errors: Sequence[Mapping[str, Any]], section: type[BaseModel], values: Any) -> list[Fault]:
    """Turns pydantic's errors into faults, one for each value at fault.

    Args:
        errors: `ValidationError.errors()`.
        section: The type that was validated.
        values: The plain values that were validated.

    Returns:
        The faults in the order of the errors.
    """
    found: dict[Loc, Fault] = {}
    for error in errors:
        fault = _fault(error, section, values)
        found.setdefault(fault.path, fault)
    return list(found.values())


def _fault(error: Mapping[str, Any], section: type[BaseModel], values: Any) -> Fault:
    kind, loc = error["type"], tuple(error["loc"])
    path, inner, field = _walk(loc, section, values)
    if kind == "extra_forbidden":
        return Fault(path, _unknown(str(path[-1]), inner), "unknown")
    if kind == "missing" and field is not None and isinstance(loc[-1], str):
        if glued := [key for key in _at(values, path[:-1]) or () if str(key).startswith(f"{loc[-1]}:")]:
            return Fault(path, f"missing; put a space behind the colon: `{': '.join(glued[0].split(':', 1))}`", "missing")
        return Fault(path, f"missing; expected {describe.field_accepts(field)}{_what_for(field)}", "missing")
    value = _at(values, path)
    if loc[-1] == "[key]":
        table = _walk(loc[:-2], section, values)[2]
        args = typing.get_args(describe.without_null(table.annotation)) if table is not None else ()
        return Fault(path, f"got the key {path[-1]!r}, expected {describe.accepts(args[0]) if args else 'another'}", "value")
    if kind in ("value_error", "assertion_error"):
        return Fault(path, str(error.get("ctx", {}).get("error") or error["msg"]), "rule")
    expected = describe.field_accepts(field) if field is not None else describe.section_words(inner) if inner else error["msg"]
    return Fault(path, f"got {describe.got(value)}, expected {expected}{_advice(value, field)}", "value")


def _walk(loc: Loc, section: type[BaseModel], values: Any) -> tuple[Loc, type[BaseModel] | None, FieldInfo | None]:
    """The data path of an error, the innermost section around it, and the field that holds the value; pydantic's union tags are left out."""
    path: list[str | int] = []
    inner: type[BaseModel] | None = section
    owner: type[BaseModel] | None = section
    field: FieldInfo | None = None
    for part in loc:
        if inner is not None and isinstance(part, str):
            owner, field = inner, inner.model_fields.get(part)
            inner = describe.section_of(field.annotation) if field is not None else None
            if not isinstance(values, dict) or part not in values:
                path += [part] if field is not None else []
                break
            path.append(part)
            values = values[part]
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            path.append(part)
            values = values[part]
            item = _item_type(field, part)
            field = FieldInfo(annotation=item) if item is not None else field
            inner = describe.section_of(item) if item is not None else None
        elif isinstance(values, dict) and str(part) in values:
            path.append(str(part))
            values = values[str(part)]
            args = typing.get_args(describe.without_null(field.annotation)) if field is not None else ()
            field = FieldInfo(annotation=args[1]) if len(args) == 2 else field
    return tuple(path), inner if inner is not None and field is None else owner, field


def _item_type(field: FieldInfo | None, number: int) -> Any:
    """The type of one item of a list field, or None when it can't be told."""
    annotation = describe.without_null(field.annotation) if field is not None else None
    args, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if origin not in (tuple, list) or not args:
        return None
    if args[-1] is Ellipsis or origin is list:
        return args[0]
    return args[number] if number < len(args) else None


def _at(values: Any, path: Loc) -> Any:
    for part in path:
        if isinstance(values, dict) and part not in values:
            return None
        values = values[part]
    return values


def _unknown(key: str, section: type[BaseModel] | None) -> str:
    if section is None:
        return "unknown key; remove it"
    known = [*section.model_fields, *(["extends"] if "system" in section.model_fields else [])]
    if not known:
        return "unknown key; this section has no options, remove it"
    name, colon, value = key.partition(":")
    if colon and name in known:
        return f"unknown key; put a space behind the colon: `{name}: {value}`"
    return f"unknown key; accepted are {words.listed(known, MAX_LISTED, ', see `kvision show`')}{did_you_mean(key, known) or _deeper(key, section)}"


def _deeper(key: str, section: type[BaseModel]) -> str:
    """Where a key stands that was looked for one level too high; nothing when no section has it."""
    inner = {name: describe.section_of(field.annotation) for name, field in section.model_fields.items()}
    found = [f'"{name}.{key}"' for name, model in inner.items() if model is not None and key in model.model_fields]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _what_for(field: FieldInfo) -> str:
    return f" ({field.description.rstrip('.')})" if field.description else ""


def _advice(value: Any, field: FieldInfo | None) -> str:
    """What to do about a wrong value, when that can be told."""
    if field is None:
        return ""
    if value is None and describe.section_of(field.annotation) is not None:
        return "; give it keys, or remove the line"
    wants = _plain_types(field.annotation)
    if isinstance(value, (int, float)) and float in wants and not abs(value) < MAX_FLOAT:
        return ", which is finite"
    if isinstance(value, str) and wants & {int, float} and _is_number(value):
        return "; remove the quotes" if math.isfinite(float(value)) else ", which is finite"
    if isinstance(value, str) and wants & {int, float} and value.count(",") == 1 and _is_number(value.replace(",", ".")):
        return f"; write {value.replace(',', '.')}"
    if isinstance(value, float) and int in wants and float not in wants and value.is_integer() and abs(value) < 1e15:
        return f"; write {int(value)}"
    if isinstance(value, str) and bool in wants and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
        return f"; write {'true' if value.lower() in ('yes', 'on', 'y', 'true') else 'false'} without quotes"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and wants == {str}:
        return "; put it in quotes"
    choices = [str(arg) for arg in _literals(field.annotation) if isinstance(arg, str)]
    return did_you_mean(value, choices) if isinstance(value, str) and choices else ""


def _plain_types(annotation: Any) -> set[Any]:
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain_types(parts[0])
    if parts and typing.get_origin(annotation) is not Literal and typing.get_origin(annotation) not in (tuple, list, dict):
        return {kind for part in parts for kind in _plain_types(part)} - {type(None)}
    return {annotation} if isinstance(annotation, type) else set()


def _literals(annotation: Any) -> list[Any]:
    parts = list(typing.get_args(annotation))
    if typing.get_origin(annotation) is Literal:
        return parts
    return [value for part in parts for value in _literals(part)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
