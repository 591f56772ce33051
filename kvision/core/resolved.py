"""A recipe that is ready to run: typed values, each with its origin; written to run folders and read back."""

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

if TYPE_CHECKING:
    from kvision.core.schema import Recipe

Kind = Literal["default", "base", "recipe", "smoke", "command line", "auto"]


@dataclass(frozen=True)
class Origin:
    """Where a value comes from.

    Attributes:
        kind: The layer that gave it.
        where: `file:line`, or the override as typed; empty for defaults.
    """

    kind: Kind
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.where}" if self.where else self.kind


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
        """Every value by its dotted path, in the order of `origins`."""
        return {path: _leaf(self.recipe, path) for path in self.origins}

    def with_auto(self, path: str, value: Any) -> Resolved:
        """The same with one value that the engine chose, such as `train.steps_per_call`.

        Args:
            path: Dotted path of an option.
            value: The value.

        Returns:
            A new `Resolved`; the option's origin is `auto`.

        Raises:
            KeyError: There is no such option.
            pydantic.ValidationError: The option does not accept the value.
        """
        if path not in self.origins:
            raise KeyError(path)
        values = self.values()
        *parents, last = path.split(".")
        section = values
        for part in parents:
            section = section[part]
        section[last] = value
        return replace(self, recipe=validate(type(self.recipe), values), origins={**self.origins, path: Origin("auto")})


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
    return f"# Every value of {paths.display(resolved.path)} as it was used; origins are in resolved.json.\n{text.getvalue()}"


def to_json(resolved: Resolved) -> dict[str, Any]:
    """What `resolved.json` of a run folder holds: values, origins, the recipe's path and the base of relative paths."""
    origins = {path: {"kind": origin.kind, "where": origin.where} for path, origin in resolved.origins.items()}
    return {"values": resolved.values(), "origins": origins, "recipe": str(resolved.path), "base": str(resolved.base)}


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
    origins = {path: Origin(origin["kind"], origin["where"]) for path, origin in data["origins"].items()}
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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{paths.display(file)}: is damaged ({type(error).__name__}: {error}); train again, or restore the file") from error
