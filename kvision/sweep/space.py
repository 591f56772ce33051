"""What is searched: `optim.lr=log(1e-4, 1e-1)` on the command line, or `optim.lr: log(1e-4, 1e-1)` in a file. Everything is checked here."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision import catalog
from kvision.core import document, overrides, words
from kvision.core.errors import Problem, RecipeError
from kvision.core.names import did_you_mean
from kvision.core.yaml_parser import parse as parse_yaml
from kvision.sweep.ranges import Choice, Parameter, Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.core.resolved import Resolved

FORMS = {
    "log": "log(1e-4, 1e-1)",
    "uniform": "uniform(0, 0.5)",
    "int": "int(2, 5)",
    "logint": "logint(8, 256)",
    "choice": "choice(adamw, sgd)",
}
"""The ways to write what an option may be, and an example of each."""
MOST_CORNERS = 50
"""Corners of the space that are tried against the schema; of more, so many by chance."""
_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*")


@dataclass(frozen=True)
class Written:
    """Where a person wrote a part of the space, for messages about it."""

    where: str
    excerpt: str


@dataclass(frozen=True)
class Space:
    """What is searched, and what is held.

    Attributes:
        parameters: What each option that is searched may be, by its dotted path.
        fixed: `key=value` texts of options that have another value than the recipe's, in all trials.
        written: Where each was written, by dotted path.
    """

    parameters: Mapping[str, Parameter]
    fixed: tuple[str, ...] = ()
    written: Mapping[str, Written] = field(default_factory=dict, compare=False)

    @property
    def size(self) -> int | None:
        """How many sets of values there are; none: more than can be counted."""
        sizes = [parameter.size for parameter in self.parameters.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The `key=value` texts of a trial with these values."""
        return [*self.fixed, *(f"{path}={json.dumps(value)}" for path, value in values.items())]


def read(texts: Sequence[str], file: str | Path | None = None) -> Space:
    """Reads a space from a file and the command line, which wins.

    Args:
        texts: `key=log(1e-4, 1e-1)` and the like, which are searched, and `key=value`, which are held.
        file: A YAML file with dotted paths as keys; none: there is none.

    Returns:
        The space; whether the recipe has such options `check` says.

    Raises:
        RecipeError: With every fault of the texts and the file, or when nothing is searched.
    """
    entries: dict[str, tuple[Any, Written]] = {}
    problems = _from_file(Path(file), entries) if file is not None else []
    problems += _from_texts(texts, entries)
    parameters: dict[str, Parameter] = {}
    fixed = []
    for path, (value, written) in entries.items():
        call = _CALL.fullmatch(value) if isinstance(value, str) else None
        if call is None:
            fixed.append(f"{path}={value if isinstance(value, str) and written.where == overrides.WHERE else json.dumps(value)}")
            continue
        try:
            parameters[path] = _parameter(call[1], call[2])
        except ValueError as error:
            problems.append(Problem(written.where, path, str(error), written.excerpt))
    if not parameters and not problems:
        message = "got nothing to search; give at least one option a range, such as 'optim.lr=log(1e-4, 1e-1)', here or in a file by --space"
        problems.append(Problem(overrides.WHERE, "", message))
    if problems:
        raise RecipeError(problems)
    return Space(parameters, tuple(fixed), {path: written for path, (_, written) in entries.items()})


def check(recipe: str | Path, space: Space, smoke: bool = False) -> Resolved:
    """Tries the corners of a space against the recipe's schema, so that no trial is the first to find a fault.

    Args:
        recipe: The recipe's file or name.
        space: What is searched.
        smoke: Whether the recipe's smoke section is applied.

    Returns:
        The recipe with what is held.

    Raises:
        RecipeError: With every fault of every corner, each once, at the place where the space was written.
    """
    problems: dict[tuple[str, str], Problem] = {}
    for corner in [{}, *_corners(space)]:
        try:
            catalog.load(recipe, space.overrides(corner), smoke)
        except RecipeError as error:
            problems |= {(problem.path, problem.message): problem for problem in error.problems}
    if problems:
        raise RecipeError([_at_its_place(problem, space, recipe, smoke) for problem in problems.values()])
    return catalog.load(recipe, space.fixed, smoke)


def _corners(space: Space) -> list[dict[str, Any]]:
    """The sets of extreme values: all of them, or as many as are allowed, by chance but always the same."""
    ends = {path: parameter.ends for path, parameter in space.parameters.items()}
    if math.prod(len(values) for values in ends.values()) <= MOST_CORNERS:
        return [dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values())]
    chance = random.Random(0)
    alone = [{path: values[number % len(values)] for path, values in ends.items()} for number in range(max(map(len, ends.values())))]
    return alone + [{path: chance.choice(values) for path, values in ends.items()} for _ in range(MOST_CORNERS - len(alone))]


def _at_its_place(problem: Problem, space: Space, recipe: str | Path, smoke: bool) -> Problem:
    """The same problem where the user wrote it, with a hint when a range of whole numbers was meant."""
    written, parameter = space.written.get(problem.path), space.parameters.get(problem.path)
    if written is None:
        return problem
    hint = ""
    if isinstance(parameter, Range) and not parameter.whole and float(parameter.low).is_integer() and float(parameter.high).is_integer():
        meant = replace(parameter, whole=True, points=None)
        try:
            catalog.load(recipe, [*space.fixed, f"{problem.path}={int(parameter.low)}"], smoke)
            hint = f"; for whole numbers write {meant}"
        except RecipeError:
            pass
    return Problem(written.where, problem.path, problem.message + hint, written.excerpt)


def _from_texts(texts: Sequence[str], entries: dict[str, tuple[Any, Written]]) -> list[Problem]:
    """Reads the command line into `entries`; its faults."""
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for text in texts:
        key, _, value = text.partition("=")
        written = Written(overrides.WHERE, f"    {text[:200]}\n    {' ' * min(len(key) + 1, 200)}^")
        try:
            overrides.parse(f"{key}=null" if _CALL.fullmatch(value) else text)
        except RecipeError as error:
            problems += error.problems
            continue
        if key in seen:
            problems.append(Problem(overrides.WHERE, key, f"given twice, first as `{seen[key]}`; keep one of the two", written.excerpt))
        seen[key] = text
        entries[key] = value, written
    return problems


def _from_file(file: Path, entries: dict[str, tuple[Any, Written]]) -> list[Problem]:
    """Reads the file into `entries`; its faults."""
    read_file = document.read(file)
    problems = []
    for key, value in read_file.values.items():
        where, excerpt = read_file.locate((key,))
        if isinstance(value, dict):
            message = f"got a section, expected dotted paths, one a line, such as `{key}.{next(iter(value), 'lr')}: log(1e-4, 1e-1)`"
            problems.append(Problem(where, str(key), message, excerpt))
        entries[str(key)] = value, Written(where, excerpt)
    return problems


def _parameter(name: str, inside: str) -> Parameter:
    """What `name(inside)` means; ValueError with a message for people."""
    if name not in FORMS:
        raise ValueError(f"got {name}(...), expected one of {', '.join(FORMS.values())}{did_you_mean(name, FORMS)}")
    try:
        values, _ = parse_yaml(f"[{inside}]", overrides.WHERE)
    except RecipeError as error:
        raise ValueError(f"got {name}({inside}), expected values with commas between them, such as {FORMS[name]}") from error
    return _choice(values) if name == "choice" else _range(name, inside, values)


def _choice(values: list[Any]) -> Choice:
    texts = [json.dumps(value) for value in values]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise ValueError(f"got {words.listed(twice, 5)} more than once, expected different values")
    if len(values) < 2:
        raise ValueError(f"got {words.counted(len(values), 'value')}, expected two or more, such as {FORMS['choice']}; to hold one write key=value")
    return Choice(tuple(values))


def _range(name: str, inside: str, values: list[Any]) -> Range:
    whole, log = name in ("int", "logint"), name in ("log", "logint")
    third = "step" if whole else "number of grid points"
    if len(values) not in (2, 3) or (name == "logint" and len(values) == 3):
        more = "" if name == "logint" else f", perhaps a {third}"
        raise ValueError(f"got {name}({inside}), expected the smallest value, the greatest{more}, such as {FORMS[name]}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
            raise ValueError(f"got {value!r} in {name}({inside}), expected {'whole ' if whole else ''}numbers, such as {FORMS[name]}")
    low, high = values[:2]
    if low >= high:
        raise ValueError(f"got {name}({inside}), expected the smaller value first: {low:g} is not below {high:g}")
    if log and low <= 0:
        raise ValueError(f"got {name}({inside}), expected values above 0, for 0 has no logarithm; begin at {high / 1000:g}, or write uniform")
    if len(values) == 3 and (not isinstance(values[2], int) or values[2] < (1 if whole else 2)):
        raise ValueError(f"got {values[2]!r} as the {third} in {name}({inside}), expected a whole number of {1 if whole else 2} or more")
    if whole:
        return Range(low, high, log=log, whole=True, step=values[2] if len(values) == 3 else 1)
    return Range(float(low), float(high), log=log, points=values[2] if len(values) == 3 else None)
