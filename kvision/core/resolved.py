"""A recipe that is ready to run: typed values, each with its origin; written to run folders and read back.

What kvision chooses for an option that stands open (null or `auto`) is kept with its origin and never put into the recipe: the recipe of a run
says the same as the one it was made with, and on another data set it gets other choices.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from kvision.core import faults, paths
from kvision.core.errors import RunError
from kvision.core.schema import Chosen, Section

if TYPE_CHECKING:
    from kvision.core.schema import Recipe

Kind = Literal["default", "base", "recipe", "smoke", "command line", "auto"]


@dataclass(frozen=True)
class Origin:
    """Where a value comes from.

    Attributes:
        kind: The layer that gave it; `auto`: the option stands open, and kvision chooses.
        where: `file:line`, or the override as typed; how `auto` is chosen; empty for defaults.
        value: What was chosen, plain data; None while that is not known, and for values that were given.
        asked: The origin of a null or `auto` that somebody wrote; empty when the option was left out.
    """

    kind: Kind
    where: str = ""
    value: Any = None
    asked: str = ""

    def __str__(self) -> str:
        if self.kind == "auto":
            return f"auto: {self.where}" + (f" (asked for by {self.asked})" if self.asked else "")
        return f"{self.kind} {self.where}" if self.where else self.kind

    @property
    def written(self) -> bool:
        """Whether somebody wrote something for the option."""
        return bool(self.asked) if self.kind == "auto" else self.kind != "default"

    def auto(self, choice: Chosen) -> Origin:
        """The origin of an option of this origin that stands open."""
        asked = self.asked if self.kind == "auto" else str(self) if self.written else ""
        return Origin("auto", choice.why, choice.value, asked)


@dataclass(frozen=True)
class Sections:
    """What a system and a source make of the recipe's type; `kvision.catalog.sections` gives it.

    Attributes:
        recipe: `Recipe` with `model`, `loss` and `data` narrowed.
        check: Faults across sections, as `System.check` gives them.
        faults: What is wrong with the names of the system or the source themselves, as (dotted path, message).
    """

    recipe: type[Recipe]
    check: Callable[[Recipe], list[tuple[str, str]]] = lambda recipe: []
    faults: tuple[tuple[str, str], ...] = ()


SectionsOf = Callable[[Any, Any], Sections]
"""From `system` and `data.source`, as written (None when missing), to the sections that they have."""


@dataclass(frozen=True)
class Resolved:
    """A recipe ready to run.

    Attributes:
        recipe: The typed values.
        origins: Origin of every option, by its dotted path.
        path: The recipe's file.
        base: The folder that relative paths in the recipe start from.
    """

    recipe: Recipe
    origins: dict[str, Origin]
    path: Path
    base: Path
    sections: SectionsOf = field(repr=False, compare=False)

    def values(self) -> dict[str, Any]:
        """Every value as nested plain data; written as YAML it loads to an equal recipe."""
        return self.recipe.model_dump(mode="json")

    def leaves(self) -> dict[str, Any]:
        """Every value of the recipe by its dotted path, in the order of `origins`."""
        return {path: _leaf(self.recipe, path) for path in self.origins}

    def used(self) -> dict[str, Any]:
        """As `leaves`, with what was chosen in place of what stands open, as far as it is known."""
        return {path: value if self.origins[path].value is None else self.origins[path].value for path, value in self.leaves().items()}

    def with_auto(self, chosen: Mapping[str, Chosen]) -> Resolved:
        """The same with the choices for options that stand open; the recipe's values stay as they are.

        Args:
            chosen: By the dotted path of an option.

        Returns:
            A new `Resolved`; these options have the origin `auto`.

        Raises:
            KeyError: There is no such option.
        """
        return replace(self, origins=self.origins | {path: self.origins[path].auto(choice) for path, choice in chosen.items()})

    def decided(self) -> dict[str, Chosen]:
        """What a run recorded of the system's options that stood open, and of its batch, for `settled`: it holds for all of the run's life."""
        return {
            path: Chosen(origin.where, origin.value)
            for path, origin in self.origins.items()
            if origin.kind == "auto" and origin.value is not None and path.startswith(("model.", "loss.", "data.batch"))
        }

    def settled(self, facts: Mapping[str, Chosen]) -> Resolved:
        """The same with values for those options that still wait for one.

        Args:
            facts: What data and machine decide, by dotted path; those of options that somebody set, or that are chosen already, don't count.

        Returns:
            A new `Resolved`.

        Raises:
            KeyError: There is no such option.
        """
        waiting = (path for path in facts if self.origins[path].kind == "auto" and self.origins[path].value is None)
        return self.with_auto({path: facts[path] for path in waiting})


def choices(section: Section, prefix: str = "") -> dict[str, Chosen]:
    """What a section and those in it choose for options that stand open, by dotted path.

    Args:
        section: A recipe, or a section of one.
        prefix: Its own path and a dot.

    Returns:
        Choices, also those whose value is not known yet.
    """
    found = {prefix + option: choice for option, choice in section.chosen().items()}
    for name in type(section).model_fields:
        inner = getattr(section, name)
        found |= choices(inner, f"{prefix}{name}.") if isinstance(inner, Section) else {}
    return found


def validate(section: type[Recipe], values: Any) -> Recipe:
    """Validates plain values strictly, by JSON's rules: a list may become a tuple, but '3' or 3.0 never an int.

    Args:
        section: The recipe's type.
        values: Nested plain data.

    Returns:
        The typed recipe.

    Raises:
        pydantic.ValidationError: With all that does not fit.
    """
    return section.model_validate_json(json.dumps(values), strict=True)


def put(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, plain data by dotted path."""
    plain = recipe.model_dump(mode="json")
    for path, value in values.items():
        section, option = path.split(".")
        plain[section][option] = value
    return validate(type(recipe), plain) if values else recipe


def _leaf(section: BaseModel, path: str) -> Any:
    value: Any = section
    for part in path.split("."):
        value = getattr(value, part)
    return value


def dump(resolved: Resolved) -> str:
    """The whole recipe as YAML with every value; it loads again to an equal recipe.

    Args:
        resolved: The recipe.

    Returns:
        YAML 1.2.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """Writes null as a word, so that no value looks forgotten."""

    Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml = YAML()
    yaml.Representer = Representer
    yaml.default_flow_style = None
    yaml.width = 150
    text = io.StringIO()
    yaml.dump(resolved.values(), text)
    what = f"# Every value of {paths.display(resolved.path)} as it was used."
    return f"{what} Origins, and what was chosen where null or auto leaves it open, are in resolved.json.\n{text.getvalue()}"


def to_json(resolved: Resolved) -> dict[str, Any]:
    """What `resolved.json` of a run folder holds: values, origins, the recipe's path and the base of relative paths."""
    origins = {path: {"kind": origin.kind, "where": origin.where} | _auto_json(origin) for path, origin in resolved.origins.items()}
    return {"values": resolved.values(), "origins": origins, "recipe": str(resolved.path), "base": str(resolved.base)}


def _auto_json(origin: Origin) -> dict[str, Any]:
    return {"value": origin.value, "asked": origin.asked} if origin.kind == "auto" else {}


def from_json(data: Mapping[str, Any], sections: SectionsOf) -> Resolved:
    """The inverse of `to_json`.

    Args:
        data: What `to_json` gave.
        sections: Gives the recipe's type for a system and a source.

    Returns:
        An equal `Resolved`.

    Raises:
        KeyError: A part is missing.
        pydantic.ValidationError: A value does not fit this version of kvision.
    """
    values = data["values"]
    found = sections(values["system"], values["data"]["source"])
    origins = {path: Origin(**origin) for path, origin in data["origins"].items()}
    return Resolved(validate(found.recipe, values), origins, Path(data["recipe"]), Path(data["base"]), sections)


def from_run(run_dir: Path, sections: SectionsOf) -> Resolved:
    """The recipe that a run was made with.

    Args:
        run_dir: A run folder.
        sections: Gives the recipe's type for a system and a source.

    Returns:
        The recipe with the origins that it had then.

    Raises:
        RunError: No run folder, or its `resolved.json` is damaged or of another version of kvision.
    """
    file = run_dir / "resolved.json"
    try:
        return from_json(json.loads(file.read_text(encoding="utf-8")), sections)
    except FileNotFoundError as error:
        raise RunError(f"{paths.display(run_dir)}: no run folder: resolved.json is missing; `kvision runs list` names the runs") from error
    except ValidationError as error:
        reasons = "; ".join(f"{faults.dotted(item['loc'])}: {item['msg']}" for item in error.errors()[:5])
        raise RunError(f"{paths.display(file)}: does not fit this version of kvision ({reasons}); use the version in environment.json") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{paths.display(file)}: is damaged ({type(error).__name__}: {error}); train again, or restore the file") from error
