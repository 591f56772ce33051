from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kvision import cli
from kvision.commands import zoo
from kvision.core import paths
from kvision.core.errors import UsageError


@pytest.fixture(autouse=True)
def _one_recipe(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    file = paths.shipped()["rl/value_iteration"]
    monkeypatch.setattr(paths, "shipped", lambda: {"rl/value_iteration": file})


def test_the_ending_says_what_is_written():
    for name, begin in (("zoo.md", "# The zoo"), ("zoo.html", "<!doctype html>")):
        result = CliRunner().invoke(cli.app, ["zoo", "value_iteration", "--out", name])
        assert (result.exit_code, result.stdout) == (0, f"zoo: {name}\n")
        assert Path(name).read_text().startswith(begin)
    with pytest.raises(UsageError, match=r"--out zoo\.pdf: the ending says what is written; use one of \.md, \.html"):
        zoo.run(out="zoo.pdf")


def test_without_a_file_it_is_markdown_or_json(capsys):
    zoo.run("value_iteration")
    assert "| rl/value_iteration | val/exact_return |" in capsys.readouterr().out
    zoo.run("value_iteration", json_lines=True)
    (line,) = capsys.readouterr().out.splitlines()
    facts = json.loads(line)
    assert (facts["recipe"], facts["family"], facts["receipt"]["metric"]) == ("rl/value_iteration", "rl", "val/exact_return")


def test_a_word_that_no_recipe_has_is_told():
    with pytest.raises(UsageError, match="no shipped recipe has 'unett' in its name or family"):
        zoo.run("unett")
