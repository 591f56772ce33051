"""Blocks of shell: a real bash reads them, with its quotes, loops and globs, but every program is one that only writes down how it was called."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import typer

from kvision import catalog, cli
from kvision.sweep import space
from kvision_edge import cli as edge
from tests.docs.blocks import ROOT

PROGRAMS = {"python3": "python"} | {name: name for name in ("kvision", "kvision-edge", "python", "pip", "tensorboard")}
RECORDERS = PROGRAMS | {f".{folder}/bin/{name}": program for folder in ("venv", "venv-test") for name, program in PROGRAMS.items()}
"""What a block may call, and which program it is."""
_RECORD = '%s() { printf \'%%s\\0\' %s "$@" >> "$CALLS"; printf \'\\n\\0\' >> "$CALLS"; }'
LIGHT = ("list", "show", "new", "runs list", "recipe schema", "recipe diff")
"""Commands that compute nothing: they are run wherever they stand."""


def calls(text: str, folder: Path) -> list[list[str]]:
    """What a block would run, as lists of arguments.

    Args:
        text: The block.
        folder: Where the reader stands; globs are of its files.

    Returns:
        The calls in order, the program first.

    Raises:
        AssertionError: Bash does not take it, or a program is called that is none of ours.
    """
    functions = "\n".join(_RECORD % pair for pair in RECORDERS.items())
    record = folder / ".calls"
    record.unlink(missing_ok=True)
    done = subprocess.run(
        ["/bin/bash", "-euc", f"{functions}\n{text}"],
        cwd=folder,
        env={"PATH": "/nowhere", "CALLS": str(record), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"bash: {done.stderr}"
    written = record.read_text().split("\0") if record.exists() else []
    found: list[list[str]] = [[]]
    for word in written[:-1]:
        if word == "\n":
            found.append([])
        else:
            found[-1].append(word)
    return found[:-1]


def check(call: list[str]) -> tuple[str, dict[str, Any]]:
    """Whether a call fits the program: its command, its options, their values; and its recipe with the values that the call sets.

    Args:
        call: The program and its arguments; recipes are looked for in the current folder.

    Returns:
        The command's name, and its parameters by name.

    Raises:
        Exception: Whatever the program has against it.
    """
    program, *arguments = call
    if program in ("python", "pip", "tensorboard"):
        {"python": _check_script, "pip": _check_extras}.get(program, list)(arguments)
        return program, {}
    if program == "kvision-edge":
        return f"edge {arguments[0]}", vars(edge._parser().parse_args(arguments))
    name, given = parsed(arguments)
    recipe = given.get("recipe")
    if name == "sweep":
        space.check(recipe, space.read(given["space"] or [], given["space_file"]))
    elif recipe is not None and not Path(recipe).is_dir() and not recipe.startswith("runs/"):
        catalog.load(recipe, [text for text in given.get("overrides") or [] if ":" not in text.partition("=")[0]], given.get("smoke", False))
    return name, given


def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The command that arguments name, and its parameters, as Typer reads them."""
    command: Any = typer.main.get_command(cli.app)
    context, names = command.make_context("kvision", list(arguments)), []
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
        names.append(name)
    return " ".join(names), context.params


def _check_extras(arguments: list[str]) -> None:
    """Packages of ours by the extras that they have."""
    for package, extras in re.findall(r"(kvision|\.|\./edge)\[([\w,]+)\]", " ".join(arguments)):
        project = tomllib.loads((ROOT / ("edge" if "edge" in package else "") / "pyproject.toml").read_text())["project"]
        assert set(extras.split(",")) <= project["optional-dependencies"].keys(), f"{package} has no extras {extras}"


def _check_script(arguments: list[str]) -> None:
    """A script or module of this repository, and options that it knows of."""
    module = arguments[0] == "-m"
    if module and arguments[1] in ("venv", "pytest"):
        return
    script = ROOT / (arguments[1].replace(".", "/") + ".py" if module else arguments[0])
    text = script.read_text(encoding="utf-8")
    unknown = [word for word in arguments if re.match(r"--[a-z]", word) and f'"{word.partition("=")[0]}"' not in text]
    assert not unknown, f"{script.relative_to(ROOT)} has no {unknown}"


def desk(folder: Path) -> Path:
    """A folder in which the reader stands, with the recipes of a checkout; it is the current folder until the process or the test leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "recipes").exists():
        (folder / "recipes").symlink_to(ROOT / "recipes")
    os.chdir(folder)
    return folder
