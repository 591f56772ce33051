"""Where recipes lie, and how paths are shown to people."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kvision.core.errors import Problem, RecipeError
from kvision.core.names import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(__file__).resolve().parent.parent
SUFFIXES = (".yaml", ".yml")
_DRIVE = re.compile(r"([A-Za-z]):[\\/]")


def checkout() -> Path | None:
    """The root of the source checkout that this package runs from, or None when it was installed from a wheel."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "recipes").is_dir() else None


def cache_folder(kind: str) -> Path:
    """Where things of a kind are kept that cost time to make anew, and nothing else: they may be deleted at any moment."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kvision" / kind


def shipped_folders() -> list[Path]:
    """The folders that hold kvision's own recipes: inside the wheel, or `recipes/` of the checkout."""
    root = checkout()
    candidates = [PACKAGE / "_recipes", *([root / "recipes"] if root else [])]
    return [folder for folder in candidates if folder.is_dir()]


def shipped() -> dict[str, Path]:
    """The recipes that kvision ships, by name: `unet`, or `segmentation/segnet` for those in a family's folder."""
    found: dict[str, Path] = {}
    for folder in shipped_folders():
        for file in sorted(folder.rglob("*.yaml")):
            found.setdefault(file.relative_to(folder).with_suffix("").as_posix(), file)
    return found


def title(recipe: Path) -> str:
    """What a recipe's file is called: by its name if kvision ships it, else by its stem."""
    own = recipe.resolve()
    return next((name for name, file in shipped().items() if file.resolve() == own), recipe.stem)


def find_recipe(name: str | Path) -> Path:
    """The file that a recipe's name means: a path first, then one of kvision's own recipes.

    Args:
        name: A path such as `recipes/unet.yaml`, or a name such as `unet`.

    Returns:
        The file (not yet read).

    Raises:
        RecipeError: There is no such file and no such recipe.
    """
    path, text = Path(name).expanduser(), str(name)
    if not text:
        raise RecipeError([Problem("command line", "", "got an empty recipe name, expected a file or a name; `kvision list` names them")])
    try:
        if path.exists():
            return path
        beside = next((path.with_name(path.name + suffix) for suffix in SUFFIXES if path.with_name(path.name + suffix).is_file()), None)
    except (OSError, ValueError) as error:
        raise RecipeError([Problem("command line", "", f"{text[:60]!r} can't be a file's path: {error}")]) from error
    own = shipped()
    stem = text.removeprefix("recipes/")
    for suffix in SUFFIXES:
        stem = stem.removesuffix(suffix)
    found = beside or own.get(stem)
    if found is not None:
        return found
    front = [name for name in own if "/" not in name]
    named = f"{', '.join(front)}, and {len(own) - len(front)} more that `kvision list` names" if own else "(none shipped)"
    hint = of_windows(text) or meant_recipe(path)
    message = f"no such file, and no recipe of that name; give a path, or one of: {named}{hint}"
    raise RecipeError([Problem(text, "", message)])


def meant_recipe(name: str | Path, others: Iterable[str] = ()) -> str:
    """Which recipe a name that is none may stand for; recipes are recognised by their last part alone, as `unet_no_skip` is.

    Looks among kvision's own recipes, the files beside the one that was named, and those in `recipes/` of the working folder.

    Args:
        name: What was typed.
        others: Further names that would have been accepted.

    Returns:
        `; did you mean "segmentation/unet_no_skips"?` with what is to be typed, or nothing when no name is alike.
    """
    path = Path(name)
    typed = {other: other for other in [*others, *shipped()]}
    for own in shipped():
        typed.setdefault(Path(own).name, own)
    for file in sorted([*path.parent.glob("*.y*ml"), *Path("recipes").rglob("*.y*ml")]):
        typed.setdefault(file.stem, file.as_posix())
    near = nearest(path.with_suffix("").as_posix().removeprefix("recipes/"), typed) or nearest(path.stem, typed)
    return f'; did you mean "{typed[near]}"?' if near else ""


def of_windows(name: str) -> str:
    r"""What to write in place of a path of Windows, such as `C:\data`, for the end of a message; nothing for another path."""
    drive = _DRIVE.match(name)
    if drive is None and "\\" not in name:
        return ""
    there = _DRIVE.sub(f"/mnt/{drive[1].lower()}/", name, count=1) if drive else name
    return f"; that is a path of Windows: write {there.replace(chr(92), '/')}{', where WSL has that drive' if drive else ''}"


def located(name: str, base: Path) -> Path:
    """What a recipe or a command line names: from the recipe's folder `base`, or else from the working folder; `~` is the user's home."""
    own, here = base / Path(name).expanduser(), Path(name).absolute()
    return (here if here.exists() and not own.exists() else own).resolve()


def unused(folder: Path) -> Path:
    """The folder, or the first one with a number behind its name that does not exist yet: `runs/unet`, `runs/unet-2` ..."""
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def display(path: Path) -> str:
    """A path as a person would write it here: relative when it lies under the current folder."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
