"""`kvision recipe schema` and `kvision recipe diff`. No TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from kvision import catalog
from kvision.core import describe, paths
from kvision.core.disk import writing
from kvision.core.schema import COMMON

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kvision.core.resolved import Resolved

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def schema(out: str | None = None) -> None:
    """Prints the JSON schema of recipes, or writes it.

    Args:
        out: The file to write; none: stdout.

    Raises:
        RunError: The file can't be written.
    """
    text = json.dumps(build(), indent=2)
    if out is None:
        print(text)
        return
    with writing(Path(out), "the schema", "--out"):
        Path(out).write_text(text + "\n", encoding="utf-8")
    print(f"wrote {out}; begin a recipe with `# yaml-language-server: $schema={out}` and the editor knows its keys")


def build() -> Schema:
    """The JSON schema of recipes: common sections, and `model`, `loss` and `data` by `system` and `data.source`.

    Returns:
        A schema of draft 2020-12. A recipe with `extends` may leave out what its base gives.
    """
    definitions: Schema = {}
    systems, sources = catalog.systems(), catalog.sources()
    properties: Schema = {
        "extends": {"type": "string", "description": "A recipe that gives what this one leaves out; path relative to this file."},
        "system": {"enum": systems, "description": "`family/name`; see `kvision list`."},
        "model": {"type": "object", "description": "The system's options."},
        "loss": {"type": "object", "description": "The system's loss."},
        "data": {"type": "object", "properties": {"source": {"enum": sources}}, "description": "Where the examples come from."},
        "smoke": {"type": "object", "propertyNames": {"pattern": r"^(model|loss|data|optim|train|expect)(\..+)?$"}},
    }
    for name, section in COMMON.items():
        properties[name] = _section(section, name, definitions)
    for name in ("expect", "cost"):
        properties[name] = {"anyOf": [properties[name], {"type": "null"}]}
    rules = [{"if": {"not": {"required": ["extends"]}}, "then": {"required": ["system", "data"], "properties": {"data": {"required": ["source"]}}}}]
    for system in systems:
        owner = catalog.system(system)
        parts: dict[str, type[BaseModel]] = {"model": owner.Options, "loss": owner.Loss}
        rules.append(_when({"system": {"const": system}}, ["system"], parts, system, definitions))
    for source in sources:
        condition = {"data": {"properties": {"source": {"const": source}}, "required": ["source"]}}
        rules.append(_when(condition, ["data"], {"data": catalog.source(source).Options}, source, definitions))
    return {
        "$schema": DIALECT,
        "title": "kvision recipe",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": rules,
        "$defs": definitions,
    }


def _when(condition: Schema, required: list[str], parts: dict[str, type[BaseModel]], owner: str, definitions: Schema) -> Schema:
    """If the recipe names this system or source, then these are its sections."""
    then = {name: _section(section, f"{owner}/{name}", definitions) for name, section in parts.items()}
    return {"if": {"properties": condition, "required": required}, "then": {"properties": then}}


def _section(section: type[BaseModel], name: str, definitions: Schema) -> Schema:
    """Adds a section's schema to the definitions and refers to it; nothing in it is required, for a base may give it."""
    key = name.replace("/", ".")
    made = section.model_json_schema(ref_template=f"#/$defs/{key}.{{model}}")
    for inner, definition in made.pop("$defs", {}).items():
        definitions[f"{key}.{inner}"] = definition if inner == "GroupOptions" else _partial(definition)
    definitions[key] = _partial(made)
    return {"$ref": f"#/$defs/{key}"}


def _partial(made: Schema) -> Schema:
    return {key: value for key, value in made.items() if key != "required"}


def diff(first: str, second: str, *, json_lines: bool = False) -> int:
    """Prints the values in which two recipes or runs differ, with their origins.

    Args:
        first: A recipe or a run folder.
        second: Another.
        json_lines: One JSON object a difference instead.

    Returns:
        0 when no value differs, 1 when some do.

    Raises:
        RecipeError: A recipe is faulty.
        RunError: A run folder is damaged.
    """
    one, other = _load(first), _load(second)
    ours, theirs = one.leaves(), other.leaves()
    changed = [path for path in {**ours, **theirs} if path not in ours or path not in theirs or ours[path] != theirs[path]]
    first_used, second_used = one.used(), other.used()
    if json_lines:
        for path in changed:
            print(json.dumps({"path": path, "first": _json_side(one, first_used, path), "second": _json_side(other, second_used, path)}))
    elif not changed:
        print(f"{paths.display(one.path)} and {paths.display(other.path)} have the same {len(ours)} values")
    else:
        print(f"- {first}\n+ {second}")
        for path in changed:
            a, b = _side(one, first_used, path), _side(other, second_used, path)
            width = max(len(a[0]), len(b[0]))
            print(f"{path}\n  - {a[0]:<{width}}  {a[1]}\n  + {b[0]:<{width}}  {b[1]}")
    return int(bool(changed))


def _load(name: str) -> Resolved:
    return catalog.from_run(name) if (Path(name) / "resolved.json").is_file() else catalog.load(name)


def _side(resolved: Resolved, values: dict[str, Any], path: str) -> tuple[str, str]:
    """Value and origin as text."""
    return (describe.show(values[path]), str(resolved.origins[path])) if path in values else ("(no such option)", "")


def _json_side(resolved: Resolved, values: dict[str, Any], path: str) -> dict[str, Any] | None:
    """Value and origin as data; None when the recipe has no such option."""
    return {"value": to_jsonable_python(values[path]), "origin": str(resolved.origins[path])} if path in values else None
