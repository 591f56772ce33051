"""Each mistake of the table is made, and the message is what the table says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kvision import cli
from tests.faults import mistakes
from tests.unit.commands import conftest

ALL = mistakes.rows()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run; not to be changed."""
    return conftest.make(tmp_path_factory.mktemp("runs") / "run", *conftest.OPTIONS)


@pytest.mark.parametrize("mistake", [pytest.param(each, id=each.what) for each in ALL if each.line])
def test_it_is_answered(mistake: mistakes.Mistake, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.State, "verbose", False)
    if mistake.needs_run:
        shutil.copytree(request.getfixturevalue("run"), "run")
    mistakes.FILLED.get(mistake.what, mistakes.masks)()
    result = CliRunner().invoke(cli.app, mistake.line.split(" "))
    assert result.exit_code == mistake.code, result.output
    wanted = ".*?".join(re.escape(part) for part in mistake.said.split("…"))
    assert re.search(wanted, result.output, re.DOTALL), result.output


def test_the_page_has_fifty_and_each_is_made() -> None:
    whats = [each.what for each in ALL]
    assert len(set(whats)) == len(whats) >= 50
    assert set(mistakes.FILLED) <= set(whats)
    assert set(mistakes.MADE) == {each.what for each in ALL if not each.line}
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    assert [test for test in mistakes.MADE.values() if f"def {test}(" not in tests] == []


@pytest.mark.slow
def test_a_rate_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mistakes.write(
        "system: classification/mlp\nmodel: {}\ndata: {source: digits, size_px: 8, batch: 10}\noptim: {name: adam, lr: 10}\ntrain: {epochs: 1}\n"
    )
    result = CliRunner().invoke(cli.app, ["train", "my.yaml"])
    assert result.exit_code == 0, result.output
    assert re.search(
        r"warning: the network has learnt nothing in \d{3} steps: .* is \d[\d.e+]*, and a guess costs 2\.303; `kvision lr-find", result.output
    )
