from __future__ import annotations

from kvision.report import transfer
from kvision.sweep.transfer import Curves, Value

CURVES = {"scratch": [Value(1, 1.0, (0.6, 0.8)), Value(None, 96.5, (0.1, 0.2))], "linear_probe": [Value(1, 1.0, (0.25,))], "knn": []}


def test_the_table_has_the_mean_and_its_ends():
    headings, rows = transfer.table(Curves("r", "val/top1", CURVES, ()))
    assert headings == ["examples of each class", "scratch", "linear probe", "knn"]
    assert rows == [["1", "70.0 % (60.0 % to 80.0 %)", "25.0 %", "—"], ["all", "15.0 % (10.0 % to 20.0 %)", "—", "—"]]


def test_the_page_has_the_picture_the_table_and_what_is_missing(tmp_path):
    page = transfer.write(Curves("r<b>", "val/top1", CURVES, ("linear_probe-all-seed0",)), tmp_path)
    text = page.read_text()
    assert page == tmp_path / "transfer.html"
    assert text.count("<svg") == 1
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "1 trainings are not done: linear_probe-all-seed0" in text
    assert "70.0 % (60.0 % to 80.0 %)" in text
    assert "r&lt;b&gt;" in text
    assert "<script" not in text


def test_a_page_without_results_is_a_page(tmp_path):
    text = transfer.write(Curves("r", "val/top1", {"scratch": []}, ("a",)), tmp_path).read_text()
    assert "<svg" not in text
    assert "not done: a" in text


def test_the_line_and_the_band_stand_at_the_number_of_examples():
    figure = transfer.draw(Curves("r", "val/top1", CURVES, ()))
    (axes,) = figure.axes
    assert axes.get_lines()[0].get_xydata().tolist() == [[1.0, 0.7], [96.5, 0.15000000000000002]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "all\n(96)"]
    assert axes.get_xscale() == "log"
