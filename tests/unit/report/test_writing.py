from __future__ import annotations

import html.parser
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kvision import report
from kvision.core.errors import RunError
from kvision.report import confusion, curves, embed, figures, folder, page
from tests.unit import run_folders

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Balance(html.parser.HTMLParser):
    """Keeps the stack of open elements; a page that closes what it opens leaves it empty."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


def parse(text):
    parser = Balance()
    parser.feed(text)
    assert parser.stack == []
    return parser


def test_report_of_a_finished_run(tmp_path):
    path = run_folders.make(tmp_path / "a")
    text = report.write(path).read_text()
    parser = parse(text)
    for wanted in ("0.6", "✓ expected at least 0.55", "scenes/val/worst3", "recipes/unet.yaml:5", "1,234", "kvision predict", "80", "class 2"):
        assert wanted in text, wanted
    assert text.count("data:image/png;base64,") >= 16
    assert all(source.startswith(("data:", "#")) for source in parser.sources)  # offline: nothing is fetched
    with Image.open(path / "pictures" / "curves.png") as curve, Image.open(path / "pictures" / "confusion.png") as matrix:
        assert min(*curve.size, *matrix.size) > 300
    card = (path / "model_card.md").read_text()
    assert "**val/miou = 0.6** at epoch 2" in card
    assert "kvision train 'recipes/my unet.yaml'" in card
    assert card.count("____") >= 5


def test_what_comes_from_the_run_is_escaped(tmp_path):
    text = report.write(run_folders.make(tmp_path / "<b>x")).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<b>x" not in text


@pytest.mark.parametrize(("epochs", "status"), [(0, "interrupted"), (1, "diverged"), (2, "running")])
def test_report_of_an_unfinished_run(tmp_path, epochs, status):
    path = run_folders.make(tmp_path / "a", epochs=epochs, status=status, evaluated=False)
    text = report.write(path).read_text()
    parse(text)
    assert "not finished" in text
    assert ("--resume" in text) == (status != "diverged")
    assert ("No epoch has ended" in text) == (epochs == 0)
    assert "not finished" in (path / "model_card.md").read_text()


def test_missed_expectation_is_said(tmp_path):
    path = run_folders.make(tmp_path / "a", expect={"metric": "val/miou", "at_least": 0.9, "evidence": "paper"})
    assert "✗ expected at least 0.9: not met" in report.write(path).read_text()
    assert "NOT met" in (path / "model_card.md").read_text()


def test_page_stays_under_5_mb_with_large_pictures_and_100_classes(tmp_path):
    path = report.write(run_folders.make(tmp_path / "a", K=100, side=260))
    assert 1_000_000 < path.stat().st_size < 5_000_000
    assert path.read_text().count("data:image/jpeg;base64,") == 16
    assert len(parse(path.read_text()).sources) >= 16


def test_a_report_that_can_not_be_written(tmp_path):
    path = run_folders.make(tmp_path / "a")
    (path / "model_card.md").mkdir()
    with pytest.raises(RunError, match="the report could not be written"):
        report.write(path)


def test_rows_of_the_confusion_matrix_sum_to_one():
    share = confusion.shares(np.array([[3, 1, 0], [0, 0, 0], [1, 1, 2]]))
    np.testing.assert_array_equal(share, [[0.75, 0.25, 0], [np.nan] * 3, [0.25, 0.25, 0.5]])


def test_confusion_svg_has_the_page_ink_and_the_numbers():
    text = figures.to_svg(confusion.draw(np.array([[3, 1], [0, 9]]), ["a<b", "c"]), "confusion")
    assert re.findall(r">(\d+)<", text) == ["75", "25", "100"]
    assert "a&lt;b" in text
    assert "currentColor" in text
    assert not re.search(r"<svg[^>]* (width|height)=", text)


def test_panels_put_losses_shares_and_others_apart():
    rows = [{"epoch": 1.0, "step": 3.0, "lr": 0.1, "train/loss": 2.0, "val/loss": 3.0, "val/miou": 0.5, "val/dice": 0.6, "val/distance": 12.0}]
    assert curves.panels(rows) == [
        curves.Panel("Loss", ("train/loss", "val/loss")),
        curves.Panel("Validation", ("val/miou", "val/dice")),
        curves.Panel("val/distance", ("val/distance",)),
        curves.Panel("Learning rate", ("lr",)),
    ]
    assert curves.panels([]) == []


def test_a_long_legend_stands_below_the_curves():
    names = tuple(f"val/m{number}" for number in range(6))
    for columns, below in ((names[:2], False), (names, True)):
        figure = Figure(figsize=(4.6, 3.1), layout="constrained")
        axes = figure.add_subplot()
        curves.plot(axes, curves.Panel("Validation", columns), [{"epoch": epoch, **dict.fromkeys(names, 0.1 * epoch)} for epoch in (1, 2)])
        figure.draw_without_rendering()
        assert (axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0) == below


def test_ids_of_inline_figures_are_unique(tmp_path):
    text = report.write(run_folders.make(tmp_path / "a")).read_text()
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_embedding_keeps_small_pictures_and_shrinks_large_ones(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)).save(path)
    assert embed.data_uri(path, 10**6).startswith("data:image/png")
    small = embed.data_uri(path, 20_000)
    assert small.startswith("data:image/jpeg")
    assert len(small) < 28_000
    assert embed.data_uri(tmp_path / "none.png", 10**6) == ""


def test_long_lists_are_cut(tmp_path):
    text = page.render(folder.read(run_folders.make(tmp_path / "a")))
    assert "… 5000 in all" in text


def test_no_tensorflow():
    code = "import sys, kvision.report, kvision.report.writing, kvision.report.compare, kvision.commands.runs; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
