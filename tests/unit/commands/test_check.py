"""`kvision check`: the table, the JSON lines, the exit code, the page, and that nothing is left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kvision.commands import check
from kvision.core.errors import RecipeError
from kvision.engine.sanity import suite
from kvision.engine.sanity.verdict import Verdict
from tests.unit.commands.conftest import OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = {f"net/layer{number}": {"rms": 1.0, "dead": None, "counts": [1, 2], "edges": [0.0, 0.5, 1.0]} for number in range(30)}
GOOD = [
    Verdict("initial loss", "pass", "a guess costs 2.398", 2.41, 1.2, 4.8, {"expected": 2.398}),
    Verdict("activations", "pass", "root mean square", 1.6, 1e-3, 1e3, {"layers": LAYERS}),
    Verdict("overfit", "pass", "20 examples learnt by heart", 0.04, None, 0.05, {"losses": [1.0, 0.5, float("nan"), 0.04]}),
    Verdict("update ratio", "warn", "<b>median</b>", 0.02, 1e-4, 1e-2, {"ratios": {"net/a/kernel": 0.02, "net/b/kernel": 0.0}}),
    Verdict("regularisation", "skip", "the recipe has none"),
]
BAD = Verdict("dead ReLUs", "fail", "units of buried", float("nan"), None, 0.4)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Verdict]:
    """The suite says what the test wants, in an empty folder."""
    said: list[Verdict] = list(GOOD)
    monkeypatch.setattr(suite, "run", lambda *args, **options: iter(said))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    return said


def test_the_table_and_the_exit_code(scripted: list[Verdict], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run("unet", OPTIONS) == 0
    out = capsys.readouterr().out
    for wanted in ("2.41", "1.2 to 4.8", "at most 0.05", "a guess costs 2.398", "nothing is wrong, 1 warning, 1 skipped; 3 of 5 passed"):
        assert wanted in out, wanted
    scripted.append(BAD)
    assert check.run("unet", OPTIONS) == 1
    assert "1 test failed, 1 warning, 1 skipped; 3 of 6 passed" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_one_json_object_a_test(scripted: list[Verdict], capsys: pytest.CaptureFixture[str]) -> None:
    scripted.append(BAD)
    assert check.run("unet", OPTIONS, json_lines=True) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == [verdict.name for verdict in scripted]
    assert (lines[0]["value"], lines[0]["low"], lines[0]["details"]) == (2.41, 1.2, {"expected": 2.398})
    assert (lines[-1]["status"], lines[-1]["value"]) == ("fail", None)


def test_the_page(scripted: list[Verdict], tmp_path: Path) -> None:
    scripted.append(BAD)
    check.run("unet", OPTIONS, out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"check.html", "check.json", "fresh.png", "losses.png", "updates.png"}
    html = (tmp_path / "out" / "check.html").read_text()
    assert "1 of 6 tests failed" in html
    assert "&lt;b&gt;median&lt;/b&gt;" in html
    assert html.count("<svg") == 3
    assert len(json.loads((tmp_path / "out" / "check.json").read_text())) == 6


def test_quick_smoke_and_the_tiny_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(resolved: Any, system: type, source: type, **options: Any) -> list[Verdict]:
        seen.update(options, width=resolved.recipe.model.width, names=(system.__name__, source.__name__))
        return []

    monkeypatch.setattr(suite, "run", run)
    check.run("unet", ["model.depth=1"], quick=True)
    assert (seen["width"], seen["names"], seen["budget"]) == (16, ("UNet", "Scenes"), suite.QUICK)
    small, source = seen["tiny"]
    assert (small.recipe.model.width, small.recipe.model.depth, source.__name__) == (8, 1, "Scenes")
    check.run("unet", smoke=True)
    assert (seen["width"], seen["budget"]) == (8, suite.Budget())
    with pytest.raises(RecipeError, match=r"model\.widht"):
        check.run("unet", ["model.widht=3"])
