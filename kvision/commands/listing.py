"""`kvision list` and `kvision show`: what there is, and which options it has. No TensorFlow."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from kvision import catalog
from kvision.core import describe, paths, words
from kvision.core import resolved as resolved_recipe
from kvision.core.errors import UsageError
from kvision.core.names import did_you_mean
from kvision.core.schema import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from kvision.core.resolved import Resolved

MAX_VALUE_WIDTH = 40
UNLIMITED = 1_000_000


def run_list(word: str | None = None, *, json_lines: bool = False) -> None:
    """Prints systems by family, sources and shipped recipes.

    Args:
        word: Only entries whose name holds it; none: all.
        json_lines: One JSON object a line instead.

    Raises:
        UsageError: Nothing has that word in its name.
    """
    rows = [row for row in _rows() if word is None or word.lower() in row["name"].lower()]
    if not rows:
        known = [row["name"] for row in _rows()]
        families = [name.partition("/")[0] for name in known]
        raise UsageError(f"{word!r}: nothing of that name; `kvision list` shows all{did_you_mean(word or '', [*known, *families])}")
    if json_lines:
        for row in rows:
            print(json.dumps(row))
        return
    for kind, heading in (("system", "Systems"), ("source", "Sources"), ("recipe", "Recipes")):
        found = [row for row in rows if row["kind"] == kind]
        if found:
            print(heading)
            _print_entries(found)
            print()
    if any(row["cost"] for row in rows):
        print("FLOPs are multiply-adds for one example, at the size of the recipe's pictures.")
    print("`kvision show NAME` prints the options of each.")


def _rows() -> list[dict[str, Any]]:
    """One row an entry: kind, name, title, paper, recipe, and the cost that the recipe states, if it does."""
    rows: list[dict[str, Any]] = []
    for name in catalog.systems():
        entry, recipe = catalog.describe_system(name), catalog.recipe_of(name)
        more = {"recipe": recipe or "", "cost": catalog.cost_of(recipe)}
        rows.append({"kind": "system", "name": name, "title": entry.title, "paper": entry.paper, **more})
    for name in catalog.sources():
        entry = catalog.describe_source(name)
        rows.append({"kind": "source", "name": name, "title": entry.title, "paper": entry.paper, "recipe": "", "cost": None})
    for name, file in paths.shipped().items():
        more = {"recipe": paths.display(file), "cost": catalog.cost_of(name)}
        rows.append({"kind": "recipe", "name": name, "title": _first_comment(file), "paper": "", **more})
    return rows


def _first_comment(file: Path) -> str:
    """What the comment on top of a recipe says it is for."""
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").partition("   ")[0].strip() if first.startswith("#") else ""


def _print_entries(rows: Sequence[dict[str, Any]]) -> None:
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        facts = [f"recipe: {row['recipe']}" if row["kind"] == "system" and row["recipe"] else "", _costs(row["cost"])]
        _print_wrapped(f"  {row['name']:<{width}}  ", row["title"])
        for line in filter(None, (row["paper"], "; ".join(filter(None, facts)))):
            _print_wrapped(" " * (width + 4), line)


def _costs(cost: dict[str, Any] | None) -> str:
    """A cost in words; empty where none is stated."""
    return f"{words.number(cost['parameters'])} parameters, {words.number(cost['mflops'])} MFLOPs" if cost else ""


def run_show(subject: str, overrides: Sequence[str] = (), *, resolved: bool = False, smoke: bool = False, json_lines: bool = False) -> None:
    """Prints the options of a system or a source, or the values of a recipe or a run.

    Args:
        subject: A system's id, a source's name, a recipe or a run folder.
        overrides: Overrides of a recipe.
        resolved: Every value of the recipe with its origin.
        smoke: Apply the recipe's smoke section.
        json_lines: JSON instead of text.

    Raises:
        UsageError: No such thing, or `resolved` of something that is no recipe.
        RecipeError: The recipe is faulty.
    """
    named = subject in catalog.systems() or subject in catalog.sources() or subject in COMMON
    if named and (resolved or overrides or smoke):
        recipe = catalog.recipe_of(subject) or "RECIPE"
        raise UsageError(f"{subject} is no recipe, so it has no values to resolve or override; give a recipe: `kvision show {recipe} --resolved`")
    if named:
        _show_options(subject, _sections(subject), json_lines=json_lines)
        return
    found = _load(subject, overrides, smoke=smoke)
    if json_lines:
        print(json.dumps(resolved_recipe.to_json(found)))
    elif resolved:
        _print_resolved(found)
    else:
        _show_recipe(found, subject)


def _load(subject: str, overrides: Sequence[str], *, smoke: bool) -> Resolved:
    """A recipe, or what a run was made with."""
    if (Path(subject) / "resolved.json").is_file():
        if overrides or smoke:
            raise UsageError(f"{subject} is a run, its values are past; override a recipe instead, such as {subject}/recipe.yaml")
        return catalog.from_run(subject)
    if not Path(subject).exists():
        _check_name(subject)
    return catalog.load(subject, overrides, smoke)


def _check_name(subject: str) -> None:
    """Raises a UsageError when a word is nearer to a system or a source than to a recipe."""
    own = [*catalog.systems(), *catalog.sources(), *COMMON]
    if subject.removeprefix("recipes/").removesuffix(".yaml") not in paths.shipped():
        raise UsageError(f"{subject!r}: no such system, source, recipe or run; `kvision list` shows them{paths.meant_recipe(subject, own)}")


def _sections(name: str) -> dict[str, type[BaseModel]]:
    if name in COMMON:
        return {name: COMMON[name]}
    if name in catalog.sources():
        return {"data": catalog.source(name).Options}
    system = catalog.system(name)
    return {"model": system.Options, "loss": system.Loss}


def _show_options(name: str, sections: dict[str, type[BaseModel]], *, json_lines: bool) -> None:
    rows = [row for section, options in sections.items() for row in _options(section, options)]
    about = _about(name)
    if json_lines:
        print(json.dumps({"name": name, **about, "options": rows}))
        return
    print(f"{name}: {about['title']}")
    for word in ("paper", "file", "recipe"):
        if about.get(word):
            print(f"{word.capitalize() + ':':<8}{about[word]}")
    if about.get("cost"):
        print(f"Cost:   {_costs(about['cost'])} (multiply-adds for one example), by the recipe")
    _print_options(rows)
    if "model" in sections:
        print(f"\nThe other sections: `kvision show {'|'.join([*catalog.sources(), *COMMON])}`.")


def _about(name: str) -> dict[str, Any]:
    """What is known of a system, a source or a section beside its options."""
    if name in COMMON:
        return {"title": (COMMON[name].__doc__ or "").partition("\n")[0]}
    is_system = name in catalog.systems()
    entry = catalog.describe_system(name) if is_system else catalog.describe_source(name)
    recipe = catalog.recipe_of(name) if is_system else None
    return {
        "title": entry.title,
        "paper": entry.paper,
        "file": paths.display(entry.file),
        "recipe": recipe or "",
        **({"cost": catalog.cost_of(recipe)} if is_system else {}),
    }


def _options(section: str, options: type[BaseModel]) -> list[dict[str, Any]]:
    """One row an option: path, what it accepts, its default, whether it must be given, what it is for."""
    rows = []
    for path, field in describe.leaves(options, (section,)):
        default = None if field.is_required() else to_jsonable_python(field.get_default(call_default_factory=True))
        rows.append(
            {
                "path": ".".join(path),
                "accepts": describe.field_accepts(field),
                "default": default,
                "required": field.is_required(),
                "description": field.description or "",
            }
        )
    return rows


def _print_options(rows: Iterable[dict[str, Any]]) -> None:
    section = ""
    for row in rows:
        if row["path"].rpartition(".")[0] != section:
            section = row["path"].rpartition(".")[0]
            print(f"\n{section}:")
        default = "required" if row["required"] else f"default {describe.show(row['default'])}"
        print(f"  {row['path'].rpartition('.')[2]}: {row['accepts']}; {default}")
        if row["description"]:
            _print_wrapped("      ", row["description"])


def _show_recipe(found: Resolved, subject: str) -> None:
    """The recipe's comment and what it sets; the rest is default."""
    for line in found.path.read_text(encoding="utf-8").splitlines() if found.path.is_file() else ():
        if not line.startswith("#"):
            break
        print(line.removeprefix("#").strip())
    print(f"File: {paths.display(found.path)}\n")
    _print_values(found, [path for path, origin in found.origins.items() if origin.written])
    print(f"\nAll else is default or chosen by kvision: `kvision show {subject} --resolved` prints every value;")
    print(f"`kvision show {found.recipe.system}` and `kvision show {found.recipe.data.source}` print what each option is for.")


def _print_resolved(found: Resolved) -> None:
    print(f"# {paths.display(found.path)}; relative paths start from {found.base}")
    _print_values(found, list(found.origins), limit=UNLIMITED)


def _print_values(found: Resolved, wanted: Sequence[str], limit: int = describe.SHOWN) -> None:
    """Aligned: path, value, origin."""
    values = found.used()
    shown = {path: describe.show(values[path], limit) for path in wanted}
    path_width = max((len(path) for path in wanted), default=0)
    value_width = min(MAX_VALUE_WIDTH, max((len(value) for value in shown.values()), default=0))
    for path, value in shown.items():
        print(f"{path:<{path_width}}  {value:<{value_width}}  {found.origins[path]}")


def _print_wrapped(prefix: str, text: str) -> None:
    width = max(60, min(150, shutil.get_terminal_size((120, 24)).columns))
    print(textwrap.fill(text, width, initial_indent=prefix, subsequent_indent=" " * len(prefix), break_long_words=False, break_on_hyphens=False))
