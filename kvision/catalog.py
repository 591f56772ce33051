"""The catalogue of systems, sources and recipes: the path is the registry.

`segmentation/unet` is `kvision/systems/segmentation/unet.py`, `scenes` is `kvision/data/sources/scenes.py`. Names are found by looking at files; a
module is imported when its class is asked for, and no module here imports TensorFlow.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kvision.core import paths, words
from kvision.core.errors import UsageError
from kvision.core.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from kvision.core.resolved import Resolved, Sections
    from kvision.data.source import Source
    from kvision.engine.system import System

T = TypeVar("T")
SYSTEMS = "kvision.systems"
SOURCES = "kvision.data.sources"


@dataclass(frozen=True)
class Entry:
    """What the docstring of a system's or a source's file says of it.

    Attributes:
        name: `segmentation/unet` or `scenes`.
        title: First sentence of the docstring.
        paper: What follows `Paper:`; empty when it has none.
        file: The file.
    """

    name: str
    title: str
    paper: str
    file: Path


def systems() -> list[str]:
    """The ids of all systems, `family/name`, sorted; nothing is imported."""
    return sorted(f"{file.parent.name}/{file.stem}" for folder in _folders(SYSTEMS) for file in folder.glob("*/[!_]*.py"))


def sources() -> list[str]:
    """The names of all sources, sorted; nothing is imported."""
    return sorted(file.stem for folder in _folders(SOURCES) for file in folder.glob("[!_]*.py"))


def system(name: str) -> type[System]:
    """The class of a system.

    Args:
        name: Its id, such as `segmentation/unet`.

    Returns:
        The one public subclass of `System` that its file defines.

    Raises:
        UsageError: There is no such system, or its file does not define exactly one.
    """
    from kvision.engine.system import System

    fault = system_fault(name)
    if fault:
        raise UsageError(f"system: {fault}")
    return _only_subclass(importlib.import_module(f"{SYSTEMS}.{name.replace('/', '.')}"), System)  # type: ignore[type-abstract]


def source(name: str) -> type[Source]:
    """The class of a source.

    Args:
        name: Its name, such as `scenes`.

    Returns:
        The one public subclass of `Source` that its file defines.

    Raises:
        UsageError: There is no such source, or its file does not define exactly one.
    """
    from kvision.data.source import Source

    fault = source_fault(name)
    if fault:
        raise UsageError(f"data.source: {fault}")
    return _only_subclass(importlib.import_module(f"{SOURCES}.{name}"), Source)  # type: ignore[type-abstract]


def system_fault(name: Any) -> str:
    """What is wrong with a system's id; empty when it is in the catalogue."""
    known = systems()
    if name in known:
        return ""
    if not isinstance(name, str):
        return f"got {name!r}, expected the id of a system, such as {known[0] if known else 'family/name'}; `kvision list` names them"
    same = [one for one in known if one.rpartition("/")[2] == name.rpartition("/")[2]]
    hint = f'; did you mean "{same[0]}"?' if same else did_you_mean(name, known)
    return f"got {name!r}, expected one of {_listed(known)}{hint}"


def source_fault(name: Any) -> str:
    """What is wrong with a source's name; empty when it is in the catalogue."""
    known = sources()
    if name in known:
        return ""
    if not isinstance(name, str):
        return f"got {name!r}, expected one of {_listed(known)}"
    return f"got {name!r}, expected one of {_listed(known)}{did_you_mean(name, known)}"


def describe_system(name: str) -> Entry:
    """What a system's file says of it, read without importing it."""
    return _entry(name, _file(SYSTEMS, name))


def describe_source(name: str) -> Entry:
    """What a source's file says of it, read without importing it."""
    return _entry(name, _file(SOURCES, name))


def recipes() -> list[Path]:
    """The recipes that kvision ships."""
    return list(paths.shipped().values())


def recipe_of(name: str) -> str | None:
    """The shipped recipe that is named like the system, or else the first one that uses it, by name; found by their `system:` lines alone."""
    own = name.rpartition("/")[2]
    for recipe, file in sorted(paths.shipped().items(), key=lambda each: each[0].rpartition("/")[2] != own):
        if re.search(rf"^system:\s*[\"']?{re.escape(name)}[\"']?\s*(#|$)", file.read_text(encoding="utf-8"), re.MULTILINE):
            return recipe
    return None


def cost_of(recipe: str | None) -> dict[str, Any] | None:
    """What a shipped recipe states of its network's cost.

    Args:
        recipe: Its name.

    Returns:
        `parameters` and `mflops`; none: there is no such recipe, or it states nothing.
    """
    from kvision.core import document
    from kvision.core.schema import Cost

    file = paths.shipped().get(recipe or "")
    cost = document.read(file).values.get("cost") if file else None
    return cost if isinstance(cost, dict) and cost.keys() == Cost.model_fields.keys() else None


def load(recipe: str | Path, overrides: Sequence[str] = (), smoke: bool = False) -> Resolved:
    """Finds, reads and validates a recipe: the front door.

    The `recipe.yaml` of a run folder keeps the base of its relative paths: the folder of the recipe that the run was made with.

    Args:
        recipe: A file, or the name of a shipped recipe, such as `unet`.
        overrides: `key=value` texts.
        smoke: Whether the recipe's `smoke` section is applied.

    Returns:
        The typed recipe with the origin of each value.

    Raises:
        RecipeError: With every problem there is.
    """
    from kvision.core.resolve import resolve

    path = paths.find_recipe(recipe)
    return resolve(path, overrides, smoke=smoke, sections=sections, base=_recorded_base(path))


def from_run(run_dir: str | Path) -> Resolved:
    """The recipe that a run was made with.

    Args:
        run_dir: A run folder.

    Returns:
        The recipe with the origins that it had then.

    Raises:
        RunError: No run folder, or a damaged one.
    """
    from kvision.core import resolved

    return resolved.from_run(Path(run_dir), sections)


def sections(system_name: Any, source_name: Any) -> Sections:
    """The recipe's type for a system and a source.

    Args:
        system_name: `system` as written; None when it is missing.
        source_name: `data.source` as written; None when it is missing.

    Returns:
        The narrowed recipe type; where a name is unknown, its sections accept any key and the fault is noted.
    """
    names = [name if isinstance(name, str) else repr(name) for name in (system_name, source_name)]
    unknown_system = "" if system_name is None else system_fault(system_name)
    unknown_source = "" if source_name is None else source_fault(source_name)
    return _sections(
        names[0] if system_name is not None and not unknown_system else None,
        names[1] if source_name is not None and not unknown_source else None,
        (*([("system", unknown_system)] if unknown_system else []), *([("data.source", unknown_source)] if unknown_source else [])),
    )


@lru_cache(maxsize=64)
def _sections(system_name: str | None, source_name: str | None, faults: tuple[tuple[str, str], ...]) -> Sections:
    from kvision.core.narrow import narrow
    from kvision.core.resolved import Sections
    from kvision.core.schema import DataOptions
    from kvision.data.source import PICTURE

    owner = system(system_name) if system_name is not None else None
    options = source(source_name).Options if source_name is not None else None
    recipe = narrow(owner.Options if owner else None, owner.Loss if owner else None, options)
    if owner and options and PICTURE in owner.fields and not issubclass(options, DataOptions):
        fault = f"{source_name} has no pictures, which {system_name} is given; use a source of pictures, such as scenes"
        return Sections(recipe, faults=(*faults, ("data.source", fault)))
    if owner is None or options is None:
        return Sections(recipe, faults=faults)
    return Sections(recipe, lambda typed: [*typed.faults(), *owner.faults(typed)], faults)


def _recorded_base(path: Path) -> Path | None:
    """The base that a run recorded beside its recipe; None for a recipe that is not a run's."""
    record = path.parent / "resolved.json"
    if path.name != "recipe.yaml" or not record.is_file():
        return None
    try:
        return Path(json.loads(record.read_text(encoding="utf-8"))["base"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folders(package: str) -> list[Path]:
    """The folders of a package, found without importing what is in it."""
    spec = importlib.util.find_spec(package)
    return [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]


def _file(package: str, name: str) -> Path:
    return next(file for folder in _folders(package) if (file := folder / f"{name}.py").is_file())


def _entry(name: str, file: Path) -> Entry:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    title = re.split(r"(?<=[.!?])\s|\n\n", docstring, maxsplit=1)[0].replace("\n", " ")
    paper = re.search(r"^Paper:\s*(.+?)(?:\n\s*\n|\n[A-Z][a-z]+:|\Z)", docstring, re.MULTILINE | re.DOTALL)
    cited = " ".join(paper[1].split()) if paper else ""
    return Entry(name, title, "" if cited.lower() in ("none", "none.") else cited, file)


def _only_subclass(module: ModuleType, base: type[T]) -> type[T]:
    """The public subclass of `base` that a module itself defines."""
    found = [
        item
        for name, item in vars(module).items()
        if inspect.isclass(item) and issubclass(item, base) and item.__module__ == module.__name__ and not name.startswith("_")
    ]
    if len(found) != 1:
        names = ", ".join(item.__name__ for item in found) or "none"
        expected = f"exactly one public subclass of {base.__name__}; name the others with a leading `_`"
        raise UsageError(f"{module.__file__}: defines {names}, expected {expected}")
    return found[0]


def _listed(known: Sequence[str]) -> str:
    return words.listed(known, 20, ", see `kvision list`") if known else "(none installed)"
