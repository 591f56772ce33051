"""From a recipe file and overrides to the values that a run uses, each with its origin.

Later wins: defaults, the base that the recipe extends, the recipe, its `smoke` section (with --smoke), the command line. Whatever was written is
validated, also when something later overrides it, and all problems are reported at once.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from kvision.core import describe, faults
from kvision.core.errors import Problem, RecipeError
from kvision.core.overrides import WHERE
from kvision.core.recipe_layers import Assignment, Layer, command_line_layer, document_layers, early, nest, stack
from kvision.core.resolved import Origin, Resolved, Sections, SectionsOf, choices, validate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.core.schema import Recipe

KINDS = ("unknown", "missing", "value", "name", "rule")


def resolve(path: Path, overrides: Sequence[str] = (), *, smoke: bool = False, sections: SectionsOf, base: Path | None = None) -> Resolved:
    """Reads a recipe, applies what overrides it, and validates everything that was written.

    Args:
        path: The recipe's file.
        overrides: `key=value` texts of the command line.
        smoke: Whether the recipe's `smoke` section is applied.
        sections: Gives the recipe's type for a system and a source.
        base: The folder that relative paths start from; none: the recipe's.

    Returns:
        The typed recipe with the origin of each value.

    Raises:
        RecipeError: With every problem of the recipe, its base and the overrides.
    """
    files, problems = document_layers(path)
    typed, more = command_line_layer(overrides)
    used = _Settled(files, sections, smoke=smoke, typed=typed)
    kinds = [kind for kind in KINDS if kind != "missing" or not problems]
    problems += [*more, *used.wrong_keys, *used.problems(kinds)]
    lower = [_Settled(files[:count], sections) for count in range(1, len(files) + 1)]
    rehearsed = _Settled(files, sections, smoke=True)
    if not smoke:
        problems += _smoke_problems(lower[-1], rehearsed)
    for settled in [*lower, *([rehearsed] if smoke else [])]:
        problems += settled.problems(("unknown", "value"))
    if problems:
        raise RecipeError(_unique(problems))
    assigned = stack(used.layers)
    recipe = validate(used.found.recipe, nest(assigned))
    origins = {".".join(leaf): _origin(leaf, assigned) for leaf in _leaf_paths(recipe)}
    return Resolved(recipe, origins, path, base or path.resolve().parent, sections).with_auto(choices(recipe))


class _Settled:
    """Some layers of a recipe on each other, with the type that the system and the source they name give it.

    Where a later layer names another source, the options that only the source before it has are left out below.

    Args:
        files: The base, if there is one, and the recipe.
        sections: Gives the recipe's type for a system and a source.
        smoke: Whether the smoke section lies on them.
        typed: The command line, on top.

    Attributes:
        layers: Flat, in their order.
        found: The recipe's type.
        wrong_keys: Faults of the smoke sections' keys.
    """

    def __init__(self, files: Sequence[Layer], sections: SectionsOf, *, smoke: bool = False, typed: Layer | None = None) -> None:
        written = [*files, *([Layer("smoke", _smoke_values(files))] if smoke else []), *([typed] if typed else [])]
        self.found = sections(early(written, ("system",)), early(written, ("data", "source")))
        flat = [layer.flatten(self.found.recipe) for layer in files]
        rehearsal, self.wrong_keys = _smoke_layer(flat, self.found.recipe)
        self.layers = [*flat, *([rehearsal] if smoke else []), *([typed.flatten(self.found.recipe)] if typed else [])]
        sources = [early(written[: count + 1], ("data", "source")) for count in range(len(written))]
        data = describe.section_of(self.found.recipe.model_fields["data"].annotation)
        kept = set(data.model_fields if data is not None else ()) - {"source"}
        for layer, source in zip(self.layers, sources, strict=True):
            if source not in (None, sources[-1]):
                layer.assigned = {at: each for at, each in layer.assigned.items() if at[0] != "data" or kept.intersection(at[1:2])}

    def problems(self, kinds: Sequence[str] = KINDS) -> list[Problem]:
        """What is wrong with the layers, of the kinds asked for."""
        assigned = stack(self.layers)
        return [_place(fault, assigned, self.layers) for fault in _faults(assigned, self.found) if fault.kind in kinds]


def _smoke_problems(without: _Settled, rehearsed: _Settled) -> list[Problem]:
    """What --smoke would find: faults of the smoke section's own values, and rules that only they break."""
    known = {fault.path for fault in _faults(stack(without.layers), without.found)}
    assigned = stack(rehearsed.layers)
    problems = []
    for fault in _faults(assigned, rehearsed.found):
        owner = _owner(fault.path, assigned)
        if fault.kind == "rule" and fault.path not in known:
            problems.append(_place(replace(fault, message=f"{fault.message} (with --smoke)"), assigned, rehearsed.layers))
        elif fault.kind != "rule" and owner is not None and owner.layer.kind == "smoke":
            problems.append(_place(fault, assigned, rehearsed.layers))
    return problems


def _faults(assigned: Mapping[tuple[str, ...], Assignment], found: Sections) -> list[faults.Fault]:
    """Everything wrong with a stack of assignments: names, values, what is missing, and rules between values."""
    values = nest(assigned)
    seen = [faults.Fault(tuple(where.split(".")), message, "name") for where, message in found.faults]
    try:
        recipe: Recipe | None = validate(found.recipe, values)
    except ValidationError as error:
        reported = {fault.path for fault in seen}
        seen += [fault for fault in faults.translate(error.errors(), found.recipe, values) if fault.path not in reported]
        recipe = _without(found.recipe, assigned, seen)
    broken = {str(fault.path[-1]) for fault in seen if fault.kind != "unknown"}
    for where, message in found.check(recipe) if recipe is not None else ():
        fault = faults.Fault(tuple(where.split(".")), message, "rule")
        # A rule about a value that is itself at fault would speak of the default in its place.
        if not broken & {fault.path[-1], *re.findall(r"\w+", message)}:
            seen.append(fault)
    return seen


def _without(section: type[Recipe], assigned: Mapping[tuple[str, ...], Assignment], seen: Sequence[faults.Fault]) -> Recipe | None:
    """The recipe without its faulty values, so that rules between the others can be checked; None when it does not stand without them."""
    bad = {fault.path for fault in seen}
    kept = {path: value for path, value in assigned.items() if not any(at[: len(path)] == path or path[: len(at)] == at for at in bad)}
    try:
        return validate(section, nest(kept))
    except ValidationError:
        return None


def _place(fault: faults.Fault, assigned: Mapping[tuple[str, ...], Assignment], layers: Sequence[Layer]) -> Problem:
    owner = _owner(fault.path, assigned)
    if owner is None:
        main = next((layer for layer in reversed(layers) if layer.kind == "recipe"), layers[-1])
        where, excerpt = main.locate_missing(fault.path)
    else:
        where, excerpt = owner.locate(fault.path, key=fault.kind == "unknown")
    in_smoke = owner is not None and owner.layer.kind == "smoke" and fault.kind != "rule"
    return Problem(where, f"smoke.{fault.dotted}" if in_smoke else fault.dotted, fault.message, excerpt)


def _owner(path: faults.Loc, assigned: Mapping[tuple[str, ...], Assignment]) -> Assignment | None:
    """What was written at a path, around it (a list's item) or, last, below it."""
    names = tuple(str(part) for part in path)
    for end in range(len(names), 0, -1):
        if names[:end] in assigned:
            return assigned[names[:end]]
    return next((assignment for target, assignment in assigned.items() if target[: len(names)] == names), None)


def _unique(problems: Sequence[Problem]) -> list[Problem]:
    """Each problem once, in the order of files and lines, the command line last."""
    found = {(problem.where, problem.path, problem.message): problem for problem in problems}

    def order(problem: Problem) -> tuple[bool, str, int, int]:
        name, line, column = [*problem.where.rsplit(":", 2), "0", "0"][:3]
        return problem.where == WHERE, name, int(line) if line.isdigit() else 0, int(column) if column.isdigit() else 0

    return sorted(found.values(), key=order)


def _smoke_values(files: Sequence[Layer]) -> dict[str, Any]:
    """The smoke sections of base and recipe as written, by dotted path; the recipe's wins."""
    merged: dict[str, Any] = {}
    for layer in files:
        smoke = layer.raw.get("smoke")
        merged |= {str(key): value for key, value in smoke.items()} if isinstance(smoke, dict) else {}
    return merged


def _smoke_layer(files: Sequence[Layer], recipe: type[Recipe]) -> tuple[Layer, list[Problem]]:
    """The smoke sections as one layer, and what is wrong with their keys."""
    layer, problems = Layer("smoke", {}), []
    for file in files:
        smoke = file.source.values.get("smoke") if file.source is not None else None
        for key, value in smoke.items() if isinstance(smoke, dict) else ():
            target = tuple(key.split("."))
            if target[0] in ("smoke", "extends", "system") or not all(target):
                where, excerpt = file.locate_written(("smoke", key), key=True)
                problems.append(Problem(where, f"smoke.{key}", "smoke holds dotted paths of options, such as `train.steps: 3`", excerpt))
                continue
            layer.assign(recipe, target, value, file, ("smoke", key))
    return layer, problems


def _leaf_paths(section: BaseModel, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        found += _leaf_paths(value, (*path, name)) if isinstance(value, BaseModel) else [(*path, name)]
    return found


def _origin(leaf: tuple[str, ...], assigned: Mapping[tuple[str, ...], Assignment]) -> Origin:
    owner = _owner(leaf, assigned)
    return Origin("default") if owner is None else Origin(owner.layer.kind, owner.origin())
