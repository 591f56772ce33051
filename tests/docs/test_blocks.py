"""Every code block of the README and the manual: recipes load, command lines are understood, commands that compute nothing run, Python runs."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from docs import reference
from kvision import catalog, cli
from kvision.sweep import space
from tests.docs import folders, shell
from tests.docs.blocks import PAGES, RUNNABLE, Block, parse, read

if TYPE_CHECKING:
    from collections.abc import Iterator


WALKED = {"docs/new-system.md"}
"""Pages whose commands change the repository: test_walks.py follows them in a copy."""
LOOKED_AT = [page for page in PAGES if page not in WALKED]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folders."""
    folder = tmp_path_factory.mktemp("reader")
    folders.lay(folder)
    return folder


@pytest.fixture
def reader(laid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the reader of one page stands: the folders, by links, and the recipes of a checkout."""
    monkeypatch.chdir(tmp_path)
    for entry in laid.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    yield shell.desk(tmp_path)
    monkeypatch.undo()


def write_files(blocks: list[Block], folder: Path) -> None:
    """The files that the page's blocks are, whichever comes first: a page may name a recipe before it shows it."""
    for block in blocks:
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")


def recipe_faults(block: Block, folder: Path) -> None:
    """Loads a block of YAML: a recipe, a part of one, or the space of a sweep."""
    if re.search(r"^[a-z.]+: (log|choice|uniform|int|logint)\(", block.text, re.MULTILINE):
        (folder / "space.yaml").write_text(block.text, encoding="utf-8")
        space.check("recipes/unet.yaml", space.read([], "space.yaml"))
        return
    text = f"extends: {block.marks['with']}\n{block.text}" if "with" in block.marks else block.text
    file = folder / (block.file or "block.yaml")
    file.write_text(text, encoding="utf-8")
    catalog.load(file)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page: str) -> None:
    assert [f"{block.place}: {block.language or 'no language'}" for block in read(page) if block.runs and block.language not in RUNNABLE] == []
    assert [block.place for block in read(page) if len(block.marks.get("not run", "a reason")) < 8] == []


def test_marks_and_languages_are_read_from_the_line_before_a_block() -> None:
    fences = ["<!-- not run: needs docker -->", "```sh", "docker run", "```", "", "- item", "", "  ```yaml", "  # a.yaml", "  a: 1", "  ```", ""]
    text = "\n".join([*fences, "<!-- before:", "x = 1", "-->", "```python", "x", "```", ""])
    first, second, third = parse(text, "page.md")
    assert (first.runs, first.marks, first.language, first.line) == (False, {"not run": "needs docker"}, "sh", 2)
    assert (second.runs, second.text, second.file, second.line) == (True, "# a.yaml\na: 1\n", "a.yaml", 8)
    assert (third.marks, third.text) == ({"before": "x = 1"}, "x\n")


@pytest.mark.parametrize("page", [page for page in LOOKED_AT if any(block.language == "yaml" for block in read(page))])
def test_recipes_are_taken_as_they_stand(page: str, reader: Path) -> None:
    blocks = [block for block in read(page) if block.language == "yaml" and block.runs]
    write_files(blocks, reader)
    for block in blocks:
        try:
            recipe_faults(block, reader)
        except Exception as error:
            raise AssertionError(f"{block.place}: {error}") from error


@pytest.mark.parametrize("page", [page for page in LOOKED_AT if any(block.language in ("sh", "console") and block.runs for block in read(page))])
def test_commands_are_understood_and_run_where_they_compute_nothing(page: str, reader: Path) -> None:
    blocks = read(page)
    write_files([block for block in blocks if block.language == "yaml"], reader)
    for block in blocks:
        if block.language not in ("sh", "console") or not block.runs:
            continue
        try:
            if block.language == "console":
                assert printed(block.text, reader) == block.text
            else:
                for call in shell.calls(block.text, reader):
                    understood(call)
        except (Exception, SystemExit) as error:
            raise AssertionError(f"{block.place}: {type(error).__name__}: {getattr(error, 'format_message', lambda error=error: error)()}") from error


def test_the_examples_of_the_help_texts_are_understood(reader: Path) -> None:
    blocks = parse(reference.commands_page(), "reference/commands.md")
    assert len(blocks) >= 20
    assert [call for block in blocks for call in shell.calls(block.text, reader) if not shell.parsed(call[1:])[0]] == []


def understood(call: list[str]) -> None:
    """Checks a call, and makes it if it computes nothing and what it is about is there."""
    name, given = shell.check(call)
    subject = given.get("subject") or given.get("folder") or given.get("name") or ""
    if name in shell.LIGHT and not subject.startswith("runs/") and not Path(subject.partition(".")[0] + ".yaml").exists():
        code, told = made(call)
        assert code == 0, f"{call}: {told}"


def made(call: list[str]) -> tuple[int, str]:
    """Exit code and output of a call of `kvision`, made in this process."""
    outcome = CliRunner().invoke(cli.app, call[1:])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.output


def printed(text: str, folder: Path) -> str:
    """What a block shows, its output made anew; `...` stands for any lines."""
    pieces: list[str] = []
    for part in re.split(r"^(?=\$ )", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        (call,) = shell.calls(command.removeprefix("$ "), folder)
        told = made(call)[1]
        pattern = ".*?".join(re.escape(piece) for piece in re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE))
        pieces += [command, "\n", shown if re.fullmatch(pattern, told, re.DOTALL) else told]
    return "".join(pieces)


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.language == "python" and block.runs for block in read(page))])
def test_python_runs(page: str, reader: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in read(page):
        if block.language == "python" and block.runs and "needs" not in block.marks:
            if block.file is not None:
                (reader / block.file).unlink(missing_ok=True)
            source = block.marks.get("before", "") + "\n" + block.text
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, block.place, "exec"), names)
