"""The code blocks of the manual: what stands in them, and what the comment before them says of how they are run.

A block is `sh`, `console` (a command behind `$ ` and what it prints), `yaml` or `python`; any other one, and one that can't be run, has its reason
in a comment on the line before it: `<!-- not run: needs docker -->`. `<!-- with: unet -->` says of which recipe a few lines of YAML are a part, and
what stands in `<!-- before: ... -->` runs before the Python of the block. Python that `<!-- needs: the bundle of ... -->` runs where one is made.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "edge").glob("*.md"), *(ROOT / "edge").glob("*/*.md")]
PAGES = sorted(file.relative_to(ROOT).as_posix() for file in FILES)
RUNNABLE = ("sh", "console", "yaml", "python")
_MARKS = ("not run", "with", "before", "needs")
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (?P<name>[a-z ]+):\s(?P<text>(?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: The file, from the repository's root.
        line: Of its first fence.
        language: Behind the fence; empty when there is none.
        text: What stands in it, without the indentation of the fence.
        marks: What the comment before it says.
    """

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def runs(self) -> bool:
        """Whether a test runs it."""
        return "not run" not in self.marks

    @property
    def place(self) -> str:
        """`page:line`, as failures name it."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, by the comment in its first line."""
        found = re.match(r"# ([\w/]+\.(?:yaml|py))$", self.text, re.MULTILINE)
        return found[1] if found else None


def read(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    return parse((ROOT / page).read_text(encoding="utf-8"), page)


def parse(text: str, page: str) -> list[Block]:
    """The blocks of a text."""
    found = []
    for fence in _FENCE.finditer(text):
        comment = _COMMENT.search(text[: fence.start()])
        marks = {comment["name"]: comment["text"].strip()} if comment and comment["name"] in _MARKS else {}
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(page, line, fence["language"].strip().replace("bash", "sh"), textwrap.dedent(fence["text"]), marks))
    return found
