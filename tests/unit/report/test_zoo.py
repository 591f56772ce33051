from __future__ import annotations

from pathlib import Path

import pytest

from kvision import catalog
from kvision.core import paths
from kvision.report import folder, receipt, zoo
from kvision.report.receipt import File
from tests.unit.commands import fake_train

ROOT = Path(__file__).resolve().parents[3]
RECIPE = """
system: classification/mlp
data: {source: digits, size_px: 16}
expect: {metric: val/top1, at_least: 0.885}
cost: {parameters: 12345, mflops: 0.5}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    monkeypatch.setattr(paths, "shipped", lambda: {"mine": path})
    return path


def measure(recipe: Path, *files: File) -> None:
    runs = [folder.read(fake_train.make(recipe.parent / f"r{seed}", catalog.load(recipe, [f"train.seed={seed}"]).values())) for seed in range(3)]
    receipt.write(recipe, receipt.make(catalog.load(recipe), "val/top1", runs).model_copy(update={"files": files}))


def row(text: str) -> list[str]:
    return [cell.strip() for cell in next(line for line in text.splitlines() if line.startswith("| mine")).strip("| ").split("|")]


def test_a_row_is_what_recipe_and_receipt_say(recipe):
    def file(form: str, size: int, drop: float, ms: float, verdict: str = "good") -> File:
        return File(format=f"tflite-{form}", verdict=verdict, bytes=size, metric="top1", value=0.9 - drop, drop=drop, latency_ms=ms)

    measure(recipe, file("fp32", 48_000, 0.0, 0.25, "compared"), file("int8", 13_000, 0.004, 0.125), file("int4", 7_000, 0.3, 0.1, "rejected"))
    assert row(zoo.markdown(zoo.entries())) == [
        "mine", "val/top1", "at least 0.885", "0.88 (0.86 to 0.9)", "1 of 3", "0, 1, 2", "fp32", "40 s", "12,345", "0.5",
        "48.0 kB", "13.0 kB (int8)", "0.004", "0.25 / 0.125 ms",
    ]  # fmt: skip


def test_what_was_not_measured_is_not_told(recipe):
    assert row(zoo.markdown(zoo.entries()))[3:8] == ["not measured", "—", "—", "—", "—"]


def test_a_receipt_of_other_values_is_not_told(recipe):
    measure(recipe)
    recipe.write_text(RECIPE + "optim: {lr: 0.5}\n")
    text = zoo.markdown(zoo.entries())
    assert row(text)[3:8] == ["recipe changed since", "—", "—", "—", "—"]
    assert "2026-01-02" not in text


def test_every_seed_is_told_with_its_machine_and_day(recipe):
    measure(recipe)
    assert "| mine | 1 | 0.88 | 2 | 10 | 40 s | fp32 | a CPU, 2 cores | 2026-01-02 |" in zoo.markdown(zoo.entries())


def test_the_page_holds_the_same_and_escapes_what_a_receipt_says(recipe):
    measure(recipe)
    receipt.path_of(recipe).write_text(receipt.path_of(recipe).read_text().replace("a CPU", "<script>"))
    page = zoo.html(zoo.entries())
    assert "0.88 (0.86 to 0.9)" in page
    assert "&lt;script&gt;, 2 cores" in page
    assert "<script>" not in page
    assert "http" not in page


def test_a_word_filters_by_name_and_by_family(recipe):
    assert [entry.name for entry in zoo.entries("mi")] == ["mine"]
    assert [entry.name for entry in zoo.entries("classif")] == ["mine"]
    assert zoo.entries("segmentation") == []


@pytest.fixture(scope="module")
def shipped() -> list[zoo.Entry]:
    return zoo.entries()


def test_every_shipped_recipe_has_its_row(shipped):
    text = zoo.markdown(shipped)
    assert [name for name in paths.shipped() if text.count(f"| {name} | val/") != 1] == []


def test_every_receipt_belongs_to_a_recipe_that_keeps_what_it_promises(shipped):
    kept = {receipt.path_of(paths.shipped()[entry.name]) for entry in shipped if entry.receipt}
    assert set((ROOT / "recipes").rglob("*.json")) == kept
    assert [entry.name for entry in shipped if entry.expect is None or entry.stale] == []
    measured = [(entry, trial) for entry in shipped if entry.measured for trial in entry.measured.trials]
    assert [(entry.name, trial.seed) for entry, trial in measured if receipt.met(entry.expect, trial.value) is False] == []
