"""The reference pages of the manual, written from the schema, the catalogue and the command line; TensorFlow is not imported.

`python -m docs.build` writes them beside the pages that people wrote. Nothing of them is in git.
"""

from __future__ import annotations

import ast
import re
import typing
from collections import defaultdict
from enum import EnumType
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import typer
from pydantic_core import to_jsonable_python

from kvision import catalog
from kvision.cli import app
from kvision.core import describe, document, paths
from kvision.core.schema import COMMON, AugmentOptions, DataOptions, SourceOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Pages = dict[str, str]
"""The Markdown of each page by its path below docs/."""

UNITS = {
    "px": "pixels",
    "pixels": "pixels",
    "deg": "degrees",
    "s": "seconds",
    "step": "steps",
    "steps": "steps",
    "epochs": "epochs",
    "batch": "examples",
    "size": "examples",
    "examples": "examples",
    "class": "examples",
    "minibatch": "transitions",
    "capacity": "transitions",
    "starts": "transitions",
    "length": "pieces of text",
    "episodes": "episodes",
}
"""Units of counts and measures, by the last word of an option's name."""
RECIPE = """A recipe has the sections `system`, `model`, `loss`, `data`, `optim`, `train`, `smoke`, `expect` and `cost`, and perhaps `extends`, the
path of a recipe that gives what this one leaves out. Any key can be set on the command line: `kvision train unet train.epochs=3`. A key that is not
known, or a value that does not fit, ends the command before TensorFlow is loaded, with all faults at once.

`model` and `loss` are the [system's](systems.md), `data` is the [source's](sources.md). All other keys are here."""
_SHARE = re.compile(r"a number (from 0|above 0) (to|and at most|to below|and below) 1\b")


def pages() -> Pages:
    """All pages of the reference.

    Returns:
        Markdown by path.
    """
    by_system = recipes_by_system()
    found = {"reference/recipe.md": recipe_page(), "reference/commands.md": commands_page(), "reference/systems.md": systems_page(by_system)}
    found["reference/sources.md"] = sources_page()
    found |= {f"reference/systems/{name}.md": system_page(name, by_system[name]) for name in catalog.systems()}
    return found | {f"reference/sources/{name}.md": source_page(name) for name in catalog.sources()}


def recipes_by_system() -> dict[str, list[str]]:
    """The shipped recipes of each system, by name, the one at the front door first; `system:` may stand in the file that a recipe extends."""
    found = defaultdict(list)
    for name in sorted(paths.shipped(), key=lambda name: (name.count("/"), name)):
        found[_system_of(paths.shipped()[name])].append(name)
    return found


def _system_of(file: Path) -> str:
    values = document.read(file).values
    return values["system"] if "system" in values else _system_of(file.parent / values["extends"])


def option_rows(section: str, options: type[BaseModel], without: type[BaseModel] | None = None) -> Iterator[list[str]]:
    """One row an option: key, what it accepts, default, unit, effect.

    Args:
        section: The section's name in a recipe.
        options: Its type.
        without: A type whose keys stand elsewhere; none: all keys are told.

    Yields:
        The cells.
    """
    known = {path for path, _ in describe.leaves(without, (section,))} if without else set()
    for path, field in describe.leaves(options, (section,)):
        if path not in known:
            yield [
                f"`{'.'.join(path)}`",
                describe.field_accepts(field),
                default_of(field),
                unit_of(path[-1], field),
                effect_of(path[1:], field, options),
            ]


def effect_of(path: tuple[str, ...], field: FieldInfo, options: type[BaseModel]) -> str:
    """What an option is for; one that a section only narrows is told of where it comes from."""
    inherited = (vars(base).get("model_fields", {}) or getattr(base, "__pydantic_fields__", {}) for base in options.__mro__)
    return field.description or next((fields[path[0]].description for fields in inherited if path[0] in fields and fields[path[0]].description), "")


def default_of(field: FieldInfo) -> str:
    """What an option is when a recipe does not say it."""
    if field.is_required():
        return "**required**"
    return f"`{describe.show(to_jsonable_python(field.get_default(call_default_factory=True)))}`"


def unit_of(name: str, field: FieldInfo) -> str:
    """The unit of an option: by its name, or a share where it goes from 0 to 1."""
    kind = describe.field_accepts(field)
    if "number" not in kind:
        return "–"
    first, *_, last = name.split("_") * 2
    if last in UNITS or first == "steps":
        return UNITS.get(last, "steps")
    return "fraction" if _SHARE.search(kind) else "–"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; bars in cells are escaped."""
    names = list(headings)
    lines = [names, ["---"] * len(names), *([" ".join(cell.split()).replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def options_table(rows: Iterable[list[str]]) -> str:
    """A table of options."""
    return table(["key", "accepts", "default", "unit", "effect"], rows)


def recipe_page() -> str:
    """The sections and keys that every recipe has."""
    parts = [
        "# Recipe keys",
        RECIPE,
    ]
    for name, section in COMMON.items():
        parts += [f"## {name}", (section.__doc__ or "").partition("\n")[0], options_table(option_rows(name, section))]
    parts += ["## smoke", "Dotted keys with values that make the recipe run in seconds; `--smoke` applies them."]
    parts += ["## data: what all sources have", options_table(option_rows("data", SourceOptions))]
    pictures = option_rows("data", DataOptions, SourceOptions)
    parts += ["## data: what all sources of pictures have", options_table(row for row in pictures if ".augment." not in row[0])]
    parts += ["## data.augment", (AugmentOptions.__doc__ or "").partition("\n")[0], options_table(option_rows("data.augment", AugmentOptions))]
    return "\n\n".join(parts) + "\n"


def systems_page(by_system: dict[str, list[str]]) -> str:
    """An index of all systems by family."""
    parts = ["# Systems", "What can be trained: `system:` in a recipe. Each page has the options with their defaults, the paper, and the recipes."]
    families = defaultdict(list)
    for name in catalog.systems():
        families[name.partition("/")[0]].append(name)
    for family, names in families.items():
        rows = [
            [f"[`{name}`](systems/{name}.md)", catalog.describe_system(name).title, ", ".join(f"`{one}`" for one in by_system[name])]
            for name in names
        ]
        parts += [f"## {family}", table(["system", "what it is", "recipes"], rows)]
    return "\n\n".join(parts) + "\n"


def _system_row(name: str, recipes: list[str]) -> list[str]:
    return [f"[`{name}`](systems/{name}.md)", catalog.describe_system(name).title, ", ".join(f"`{recipe}`" for recipe in recipes)]


def sources_page() -> str:
    """An index of all sources."""
    rows = [[f"[`{name}`](sources/{name}.md)", catalog.describe_source(name).title] for name in catalog.sources()]
    parts = ["# Sources", "Where examples come from: `data.source` in a recipe.", table(["source", "what it reads"], rows)]
    return "\n\n".join(parts) + "\n"


def system_page(name: str, recipes: list[str]) -> str:
    """What a system's file says of it, its options and its recipes."""
    owner = catalog.system(name)
    parts = [f"# {name}", _docstring(catalog.describe_system(name).file)]
    for section, options in (("model", owner.Options), ("loss", owner.Loss)):
        rows = list(option_rows(section, options))
        parts += [f"## {section}", options_table(rows) if rows else "No options."]
    parts.append("The other keys: [optim, train and what all recipes have](" + "../" * (name.count("/") + 1) + "recipe.md).")
    for recipe in recipes:
        parts += [f"## Recipe {recipe}", f"```yaml\n{paths.shipped()[recipe].read_text(encoding='utf-8').strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def source_page(name: str) -> str:
    """What a source's file says of it, and the options that are its own."""
    options = catalog.source(name).Options
    shared = DataOptions if issubclass(options, DataOptions) else SourceOptions
    rows = list(option_rows("data", options, shared))
    pictures = "#data-what-all-sources-of-pictures-have" if shared is DataOptions else "#data-what-all-sources-have"
    parts = [f"# {name}", _docstring(catalog.describe_source(name).file), "## data", options_table(rows) if rows else "No options of its own."]
    return "\n\n".join([*parts, f"Also: [what all such sources have](../recipe.md{pictures})."]) + "\n"


def _docstring(file: Path) -> str:
    """A module's docstring as Markdown: what stands behind `Paper:`, `Shapes:` and so on becomes a paragraph with a heading of its own."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    text = re.sub(r"^([A-Z][a-z]+):[ \n]\s*", r"\n**\1**: ", text, flags=re.MULTILINE)
    return re.sub(r"^ +", "", text, flags=re.MULTILINE)


def commands_page() -> str:
    """Every command with its arguments, options and examples."""
    root: Any = typer.main.get_command(app)
    parts = ["# Commands", "What `kvision COMMAND --help` prints, on one page."]
    for path, command in _commands(root, ()):
        parts += [f"## kvision {' '.join(path)}", *_help(command.help or ""), _parameters(command)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


def _help(text: str) -> list[str]:
    """The paragraphs of a help text; examples become blocks."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    examples = [part.removeprefix("Example: ") for part in paragraphs if part.startswith("Example: ")]
    told = [part for part in paragraphs if not part.startswith("Example: ")]
    return [*told, "```sh\n" + "\n".join(examples) + "\n```"] if examples else told


def _parameters(command: Any) -> str:
    types = typing.get_type_hints(command.callback)
    rows = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            word, kind = f"`{parameter.metavar or parameter.name.upper()}`", "" if parameter.required else "may be left out"
        else:
            word, kind = ", ".join(f"`{name}`" for name in parameter.opts), "" if parameter.is_flag else _kind(types[parameter.name], parameter)
        default = "" if parameter.default in (None, False) or parameter.required else f"`{_plain(parameter.default)}`"
        rows.append([word, kind, default, parameter.help or ""])
    return table(["argument or option", "accepts", "default", "effect"], rows)


def _kind(annotation: Any, parameter: Any) -> str:
    """What an option takes; of a list, what it takes each time that it is given."""
    kind = describe.without_null(annotation)
    if typing.get_origin(kind) is list:
        return f"{_kind(typing.get_args(kind)[0], parameter)}; may be given again"
    if isinstance(kind, EnumType):
        return ", ".join(f"`{_plain(one)}`" for one in kind)
    return describe.accepts(kind, [bound for bound in (_bound("ge", parameter.min), _bound("le", parameter.max)) if bound])


def _bound(name: str, value: float | None) -> SimpleNamespace | None:
    return None if value is None else SimpleNamespace(**{name: value})


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))
