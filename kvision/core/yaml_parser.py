"""From YAML parser events to plain values with places; limits are checked while the events come in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from ruamel.yaml import YAML, events, nodes
from ruamel.yaml.error import YAMLError

from kvision.core.errors import Problem, RecipeError
from kvision.core.names import did_you_mean

MAX_DEPTH = 20
MAX_NODES = 5_000
MAX_ALIASES = 50
MAX_DIGITS = 400
MAX_PROBLEMS = 20
EXCERPT_WIDTH = 140
ValuePath = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)")
_BASES = {"0o": 8, "0x": 16}


@dataclass(frozen=True)
class Place:
    """Where a value stands: zero-based line and column of its key (if it has one) and of itself."""

    line: int
    column: int
    key: tuple[int, int] | None = None


def excerpt(lines: list[str], line: int, column: int) -> str:
    """A source line and a caret under one column, indented by four; empty when there is no such line.

    Args:
        lines: The lines of the file.
        line: Zero-based line.
        column: Zero-based column.

    Returns:
        Two lines without an end of line.
    """
    if not 0 <= line < len(lines):
        return ""
    start = max(0, column - EXCERPT_WIDTH // 2) if len(lines[line]) > EXCERPT_WIDTH else 0
    shown = "".join(char if char.isprintable() else " " for char in lines[line][start : start + EXCERPT_WIDTH])
    return f"    {shown.rstrip()}\n    {' ' * (column - start)}^"


@dataclass
class _Node:
    """A value under construction: a scalar, a list of nodes, or pairs of key and node."""

    line: int
    column: int
    anchor: str | None = None
    text: str = ""
    value: Any = None
    items: list[_Node] = field(default_factory=list)
    pairs: dict[str, tuple[tuple[int, int], _Node]] = field(default_factory=dict)
    kind: Literal["scalar", "list", "mapping"] = "scalar"
    pending: tuple[str, tuple[int, int]] | None = None
    size: int = 1
    is_open: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written: `key:` and no value."""
        return self.kind == "scalar" and self.value is None and not self.text


@dataclass
class _Builder:
    """Takes events one by one; the finished top node is `root`."""

    name: str
    lines: list[str]
    root: _Node | None = None
    stack: list[_Node] = field(default_factory=list)
    anchors: dict[str, _Node] = field(default_factory=dict)
    aliases: int = 0
    problems: list[Problem] = field(default_factory=list)

    def problem(self, line: int, column: int, message: str, path: str = "") -> Problem:
        return Problem(f"{self.name}:{line + 1}:{column + 1}", path, message, excerpt(self.lines, line, column))

    def stop(self, line: int, column: int, message: str) -> NoReturn:
        raise RecipeError([*self.problems, self.problem(line, column, message)])

    def take(self, event: Any, resolver: Any) -> None:
        line, column = event.start_mark.line, event.start_mark.column
        if isinstance(event, events.DocumentStartEvent):
            self._directives(event, line, column)
        elif isinstance(event, events.AliasEvent):
            self._add(self._alias(event, line, column), line, column)
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            self.stack.pop().is_open = False
        elif isinstance(event, (events.ScalarEvent, events.CollectionStartEvent)):
            self._node(event, resolver, line, column)

    def _node(self, event: Any, resolver: Any, line: int, column: int) -> None:
        tag = event.ctag if event.tag is not None else None
        if tag is not None and str(tag) not in ("!",):
            written = self.lines[line][column:].split()[0] if line < len(self.lines) else str(tag)
            self.stop(line, column, f"got the tag `{written[:60]}`, recipes hold plain values only; remove it")
        node = _Node(line, column, anchor=event.anchor)
        if isinstance(event, events.ScalarEvent):
            node.text = event.value
            node.value = self._scalar(event, resolver, line, column)
        else:
            node.kind = "mapping" if isinstance(event, events.MappingStartEvent) else "list"
        self._add(node, line, column)
        if node.anchor is not None:
            self.anchors[node.anchor] = node
        if not isinstance(event, events.ScalarEvent):
            node.is_open = True
            self.stack.append(node)
            if len(self.stack) > MAX_DEPTH:
                self.stop(line, column, f"values are nested deeper than {MAX_DEPTH} levels; a recipe needs three or four")

    def _add(self, node: _Node, line: int, column: int) -> None:
        if not self.stack:
            if self.root is not None:
                self.stop(line, column, "a second document begins here, a recipe is one; remove the `---` and what follows, or make it another file")
            self.root = node
            return
        for parent in self.stack:
            parent.size += node.size
        if self.stack[0].size > MAX_NODES:
            self.stop(line, column, f"holds more than {MAX_NODES:,} values once its aliases are written out; a recipe needs a few dozen")
        parent = self.stack[-1]
        if parent.kind == "list":
            parent.items.append(node)
        elif parent.pending is None:
            parent.pending = (self._key(node, parent, line, column), (line, column))
        else:
            key, at = parent.pending
            parent.pending = None
            if node.is_blank:
                node.line, node.column = at
            parent.pairs.setdefault(key, (at, node))

    def _key(self, node: _Node, parent: _Node, line: int, column: int) -> str:
        key = node.text
        if node.kind != "scalar":
            self.stop(line, column, "a list or mapping can't be a key; write `key: value` (is a quote or a bracket missing?)")
        if key == "<<":
            self.stop(line, column, "merge keys (`<<`) are not read; write the values out, or use `extends: other.yaml`")
        if key in parent.pairs:
            first = parent.pairs[key][0]
            message = f"the key is there twice, first in line {first[0] + 1}; keep one of the two"
            self.problems.append(self.problem(line, column, message, key))
            if len(self.problems) == MAX_PROBLEMS:
                raise RecipeError(self.problems)
        return key

    def _alias(self, event: Any, line: int, column: int) -> _Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.stop(line, column, f"uses more than {MAX_ALIASES} aliases (`*name`); write the values out")
        found = self.anchors.get(event.anchor)
        if found is None:
            hint = did_you_mean(event.anchor, self.anchors)
            self.stop(line, column, f"the alias `*{event.anchor}` has no anchor `&{event.anchor}` before it; quote text that begins with `*`{hint}")
        if found.is_open:
            self.stop(line, column, f"the alias `*{event.anchor}` stands inside its own anchor, so the value would have no end; write it out")
        return found

    def _directives(self, event: Any, line: int, column: int) -> None:
        if event.version is not None and tuple(event.version) != (1, 2):
            version = ".".join(str(part) for part in event.version)
            self.stop(line, column, f"asks for YAML {version}, recipes are YAML 1.2; remove the `%YAML` line")

    def _scalar(self, event: Any, resolver: Any, line: int, column: int) -> Any:
        text = event.value
        try:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16")  # JSON writes one rare character as two escapes
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            self.stop(line, column, "the text holds an escape that stands for no character (zero, or half of a pair); remove it")
        if event.style in ("'", '"', "|", ">"):
            return text
        tag = str(resolver.resolve(nodes.ScalarNode, text, (True, False))).removeprefix(_TAG)
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag == "int" and _INT.fullmatch(text):
            if len(text) > MAX_DIGITS:
                self.stop(line, column, f"a number of {len(text)} digits; no value of a recipe is that large")
            sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
            return sign * int(digits, _BASES.get(digits[:2], 10))
        if tag == "float" and "_" not in text:
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text


def parse(text: str, name: str) -> tuple[Any, dict[ValuePath, Place]]:
    """Parses one YAML 1.2 document.

    Args:
        text: The document.
        name: What messages call it: its file.

    Returns:
        Plain values (None for an empty document), and the place of each by its path.

    Raises:
        RecipeError: Not YAML 1.2, or more than a recipe may hold.
    """
    yaml = YAML(typ="safe", pure=True)
    builder = _Builder(name, text.splitlines())
    try:
        for event in yaml.parse(text):
            builder.take(event, yaml.resolver)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        before = text[: getattr(error, "position", 0)]
        line, column = (mark.line, mark.column) if mark is not None else (before.count("\n"), len(before) - before.rfind("\n") - 1)
        builder.stop(min(line, max(len(builder.lines) - 1, 0)), column, f"not YAML: {_plain(reason, builder.lines, line)}")
    if builder.problems:
        raise RecipeError(builder.problems)
    places: dict[ValuePath, Place] = {}
    return (None if builder.root is None else _values(builder.root, (), None, places)), places


def _plain(reason: str, lines: list[str], line: int) -> str:
    if "character '\\t'" in reason:
        return "a tab stands where spaces are needed; indent with spaces"
    if "mapping values are not allowed" in reason:
        return "a second `: ` in one line; put text that holds a colon in quotes, or start a new line"
    if "expected" in reason and "',' or" in reason:
        return "a bracket is not closed, or a comma is missing"
    if line >= len(lines):
        return f"{reason} (the file ends in the middle of a value: is a quote or a bracket not closed?)"
    return f"{reason}; check quotes, brackets and indentation here"


def _values(node: _Node, path: ValuePath, key: tuple[int, int] | None, places: dict[ValuePath, Place]) -> Any:
    """Plain values of a finished node; its depth and its size are limited already."""
    places[path] = Place(node.line, node.column, key)
    if node.kind == "mapping":
        return {name: _values(child, (*path, name), at, places) for name, (at, child) in node.pairs.items()}
    if node.kind == "list":
        return [_values(child, (*path, number), None, places) for number, child in enumerate(node.items)]
    return node.value
