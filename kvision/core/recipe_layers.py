"""The layers of a recipe: base, recipe, smoke and command line, each as flat assignments that know where they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kvision.core import describe, document, names, overrides, paths
from kvision.core.errors import Problem, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

LayerKind = Literal["base", "recipe", "smoke", "command line"]
Dotted = tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """One value that somebody wrote.

    Attributes:
        value: Plain data.
        layer: The layer that it counts for.
        written: The layer whose text it stands in: the layer itself, or the file that holds the smoke section.
        target: Path of the option in the recipe.
        at: Path of the value in the text.
    """

    value: Any
    layer: Layer
    written: Layer
    target: Dotted
    at: Dotted

    def locate(self, path: Sequence[str | int], *, key: bool) -> tuple[str, str]:
        """Place and excerpt of a path at or below this assignment."""
        return self.written.locate_written((*self.at, *path[len(self.target) :]), key=key)

    def origin(self) -> str:
        """`file:line`, or the override as typed."""
        return self.written.origin_written(self.at)


@dataclass
class Layer:
    """One layer: what was written, and its flat assignments once the recipe's type is known."""

    kind: LayerKind
    raw: dict[str, Any]
    source: document.Document | None = None
    typed: list[overrides.Override] = field(default_factory=list)
    assigned: dict[Dotted, Assignment] = field(default_factory=dict)

    def flatten(self, section: type[BaseModel]) -> Layer:
        """The layer with `assigned` filled: sections are taken apart, other values stay whole."""
        layer = Layer(self.kind, self.raw, self.source, self.typed)
        for override in self.typed:
            layer.assign(section, override.path, override.value, layer, override.path)
        for key, value in self.raw.items():
            layer.assign(section, (key,), value, layer, (key,))
        return layer

    def assign(self, section: type[BaseModel], target: Dotted, value: Any, written: Layer, at: Dotted) -> None:
        """Notes a value, or the values in it when `target` is a section."""
        inner, nullable = _section_at(section, target)
        if inner is not None and isinstance(value, dict):
            for key, child in value.items():
                self.assign(section, (*target, key), child, written, (*at, key))
            if not value and nullable:
                put(self.assigned, Assignment(value, self, written, target, at))
        else:
            put(self.assigned, Assignment(value, self, written, target, at))

    def locate_written(self, at: Sequence[str | int], *, key: bool) -> tuple[str, str]:
        """Place and excerpt of a path in this layer's text."""
        if self.source is not None:
            return self.source.locate(tuple(at), key=key)
        override = self._override(at)
        return overrides.WHERE, override.excerpt(key=key) if override is not None else ""

    def locate_missing(self, path: Sequence[str | int]) -> tuple[str, str]:
        """Place and excerpt of the section that a missing value belongs into."""
        if self.source is None:
            return overrides.WHERE, ""
        return self.source.locate(tuple(path), key=True) if tuple(path[:1]) in self.source.places else (f"{self.source.name}:1:1", "")

    def origin_written(self, at: Dotted) -> str:
        """`file:line` of a path in this layer's text, or the override as typed."""
        if self.source is not None:
            return self.source.line_of(at)
        override = self._override(at)
        return override.text if override is not None else ""

    def _override(self, at: Sequence[str | int]) -> overrides.Override | None:
        fitting = [override for override in self.typed if tuple(at[: len(override.path)]) == override.path]
        return fitting[-1] if fitting else None


def _section_at(section: type[BaseModel], target: Dotted) -> tuple[type[BaseModel] | None, bool]:
    """The section at a path, if there is one, and whether it may be left out, so that an empty one still means something."""
    inner: type[BaseModel] | None = section
    known = None
    for part in target:
        known = inner.model_fields.get(part) if inner is not None else None
        inner = describe.section_of(known.annotation) if known is not None else None
    return inner, known is not None and known.default is None


def put(assigned: dict[Dotted, Assignment], new: Assignment) -> None:
    """Adds an assignment; what stood at, above or below its path gives way."""
    for path in [old for old in assigned if old[: len(new.target)] == new.target or new.target[: len(old)] == old]:
        del assigned[path]
    assigned[new.target] = new


def stack(layers: Iterable[Layer]) -> dict[Dotted, Assignment]:
    """The assignments of several flat layers, later ones on top."""
    found: dict[Dotted, Assignment] = {}
    for layer in layers:
        for assignment in layer.assigned.values():
            put(found, assignment)
    return found


def early(layers: Sequence[Layer], path: Dotted) -> Any:
    """A value that the recipe's type depends on, as written last, before the layers can be flat; None when nobody wrote it.

    Args:
        layers: Layers in their order.
        path: `("system",)` or `("data", "source")`.

    Returns:
        Plain data.
    """
    found = None
    for layer in layers:
        pairs = [(override.path, override.value) for override in layer.typed] or [(tuple(key.split(".")), value) for key, value in layer.raw.items()]
        for at, value in pairs:
            if at == path[: len(at)]:
                for part in path[len(at) :]:
                    value = value.get(part) if isinstance(value, dict) else None
                found = value if value is not None else found
    return found


def nest(assigned: Mapping[Dotted, Assignment]) -> dict[str, Any]:
    """Flat assignments as nested plain data; required sections are there even when nothing in them was written, so that missing keys are named."""
    values: dict[str, Any] = {}
    for path, assignment in assigned.items():
        section = values
        for part in path[:-1]:
            section = section.setdefault(part, {})
        section[path[-1]] = assignment.value
    for name in ("model", "loss", "data"):
        values.setdefault(name, {})
    return values


def document_layers(path: Path) -> tuple[list[Layer], list[Problem]]:
    """The recipe's file and, before it, the base that it extends.

    Args:
        path: The recipe's file.

    Returns:
        One or two layers, and what is wrong with `extends` and `smoke` as such.

    Raises:
        RecipeError: A file can't be read as YAML.
    """
    main = document.read(path)
    raw = {key: value for key, value in main.values.items() if key != "extends"}
    layers = [Layer("recipe", raw, main)]
    problems: list[Problem] = []
    if "extends" in main.values:
        where, excerpt = main.locate(("extends",))
        base, message = _base(path, main.values["extends"])
        if base is None:
            problems.append(Problem(where, "extends", message, excerpt))
        else:
            # A result belongs to the recipe that it was measured with, so a base's is not mixed into the recipe's own; a cost to its network alone.
            inherited_raw = {key: value for key, value in base.values.items() if key != "cost" and (key != "expect" or "expect" not in raw)}
            layers.insert(0, Layer("base", inherited_raw, base))
            inherited, own = base.values.get("smoke"), raw.get("smoke")
            if isinstance(inherited, dict) and isinstance(own, dict):
                raw["smoke"] = {**inherited, **own}
    return layers, problems


def _base(path: Path, written: Any) -> tuple[document.Document | None, str]:
    """The document that a recipe extends, or what is wrong with the name."""
    if not isinstance(written, str) or not written.strip():
        return None, f"got {describe.got(written)}, expected the path of one recipe, relative to this file"
    target = path.parent / written
    if not target.exists():
        near = [file.name for file in path.parent.glob("*.y*ml") if file.name != path.name]
        hint = names.did_you_mean(written, near)
        return None, f"got {written!r}, but {paths.display(target)} does not exist; give a path relative to this file{hint}"
    base = document.read(target)
    if "extends" in base.values:
        itself = target.resolve() == path.resolve()
        what = "the recipe itself" if itself else f"{base.name}, which extends {describe.got(base.values['extends'])} in turn"
        return None, f"got {what}; a base may not extend another, so extend a whole recipe, or copy its values"
    return base, ""


def command_line_layer(texts: Sequence[str]) -> tuple[Layer, list[Problem]]:
    """The overrides as a layer.

    Args:
        texts: `key=value` as typed.

    Returns:
        The layer, and what is wrong with overrides as such.
    """
    layer = Layer("command line", {})
    problems: list[Problem] = []
    for text in texts:
        try:
            override = overrides.parse(text)
        except RecipeError as error:
            problems += error.problems
            continue
        refused = _refused(override, layer.typed)
        if refused:
            problems.append(Problem(overrides.WHERE, ".".join(override.path), refused, override.excerpt(key=True)))
        else:
            layer.typed.append(override)
    return layer, problems


def _refused(override: overrides.Override, before: Sequence[overrides.Override]) -> str:
    if override.path[0] == "extends":
        return "can't be given on the command line; write `extends: base.yaml` in a recipe of your own"
    if override.path[0] == "smoke":
        return "the smoke section is the recipe's; give the option itself, such as `train.steps=3`"
    for other in before:
        shorter = min(len(other.path), len(override.path))
        if other.path[:shorter] == override.path[:shorter] and not (isinstance(other.value, dict) or isinstance(override.value, dict)):
            return f"given twice, first as `{other.text}`; keep one of the two"
    return ""
