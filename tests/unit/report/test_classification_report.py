"""What the report shows of a classifier: its kinds of examples, suspected labels, top-k, reliability, and the curves of thresholds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from kvision import report
from kvision.report import confusion, folder, gallery, reliability, thresholds
from tests.unit import run_folders

if TYPE_CHECKING:
    from pathlib import Path

RELIABILITY = {"count": [0, 30, 70], "confidence": [None, 0.5, 0.9], "accuracy": [None, 0.6, 0.8]}


def example(path: Path, kind: str, place: int, **facts: Any) -> dict[str, Any]:
    file = f"pictures/{kind}-{place}.png"
    Image.fromarray(np.full((20, 30, 3), 10 * place, np.uint8)).save(path / file)
    return {"name": f"photos/{kind}<{place}>.jpg", "picture": file, "kind": kind, "score": -0.5, **facts}


def curves(K: int) -> dict[str, Any]:
    line = np.linspace(0, 1, 5)
    found = {"false_positive_rate": [line**2] * K, "recall": [line] * K, "precision": [1 - line / 2] * K}
    return {name: [list(each) for each in values] for name, values in found.items()}


def make(path: Path, *, K: int = 3, several: bool = False) -> Path:
    run_folders.make(path, K=K)
    surely = {"label": 1, "predicted": 2, "confidence": 0.987, "given": 0.004}
    kinds = [("worst", {}), ("least_sure", {}), ("by_class", {"label": 2}), ("by_class", {"label": 0}), ("suspects", surely), ("random", {})]
    chosen = [kind for kind in kinds if not several or kind[0] in ("worst", "least_sure", "random")]
    examples = [example(path, kind, place, **facts) for place, (kind, facts) in enumerate(chosen)]
    shares = [0.5 + 0.5 * k / K for k in range(K)]
    if several:
        tables = {"curves": curves(K), "per_class": {"average_precision": shares, "roc_auc": shares, "support": [3] * K}}
        tables["curves"]["recall"][1] = [None] * 5
    else:
        confused = (np.eye(K, dtype=int) * 90 + 10).tolist()
        tables = {"confusion": confused, "per_class": {"f1": shares}, "top_k": [0.81, 0.94], "reliability": RELIABILITY}
    (path / "evaluation.json").write_text(json.dumps({"metrics": {"top1": 0.81, "ece": 0.1}, "tables": tables, "examples": examples}))
    return path


def test_kinds_in_the_order_of_the_evaluation(tmp_path):
    found = gallery.galleries(folder.read(make(tmp_path / "a")))
    assert [each.title for each in found] == ["The worst", "The least sure", "The worst of each class", "Chosen at random"]
    assert list(found[2].groups) == ["class 2", "class 0"]
    assert list(found[0].groups) == [""]
    assert found[0].groups[""][0].name == "photos/worst<0>.jpg"
    assert found[0].groups[""][0].note == "score -0.5"
    assert found[0].groups[""][0].source.startswith("data:image/png")


def test_a_kind_that_has_no_title_yet_is_called_by_its_name(tmp_path):
    path = make(tmp_path / "a")
    values = json.loads((path / "evaluation.json").read_text())
    values["examples"] = [example(path, "far_off", 1), {"kind": "gone", "picture": "pictures/gone.png"}, "torn"]
    (path / "evaluation.json").write_text(json.dumps(values))
    assert [each.title for each in gallery.galleries(folder.read(path))] == ["Far off"]


def test_suspects_say_what_is_disputed(tmp_path):
    (found,) = gallery.suspects(folder.read(make(tmp_path / "a")))
    assert (found.name, found.note) == ("photos/suspects<4>.jpg", "labelled class 1 (0.4 %), called class 2 (98.7 %)")


def test_the_page_of_a_single_label_classifier(tmp_path):
    path = make(tmp_path / "a")
    text = report.write(path).read_text()
    headings = re.findall(r"<h[2-4]>([^<]*)</h[2-4]>", text)
    order = ["The worst", "The least sure", "The worst of each class", "class 2", "class 0", "Chosen at random", "By class", "Confusion"]
    order += ["Among the first k", "Reliability", "Labels that may be wrong", "Go on from here"]
    assert [heading for heading in headings if heading in order] == order
    for wanted in ("94.0 %", "calibration error is 10.0 %", "not trained on", "labelled class 1 (0.4 %), called class 2 (98.7 %)", "worst&lt;0&gt;"):
        assert wanted in text, wanted
    with Image.open(path / "pictures" / "reliability.png") as picture:
        assert min(picture.size) > 300
    card = (path / "model_card.md").read_text()
    assert "### The least sure\n\n![](pictures/least_sure-1.png)" in card
    assert "class 2\n\n![](pictures/by_class-2.png)" in card
    assert "off by as many examples: 1; report.html shows them" in card


def test_the_page_of_a_multi_label_classifier(tmp_path):
    path = make(tmp_path / "a", several=True)
    text = report.write(path).read_text()
    assert "Thresholds" in text
    assert "false positive rate" in text
    assert "Labels that may be wrong" not in text
    assert "Among the first k" not in text
    assert (path / "pictures" / "roc.png").is_file()
    assert (path / "pictures" / "pr.png").is_file()
    assert "may be wrong" not in (path / "model_card.md").read_text()


def test_a_segmenter_has_none_of_it(tmp_path):
    text = report.write(run_folders.make(tmp_path / "a")).read_text()
    for absent in ("Among the first k", "Thresholds", "Reliability", "Labels that may be wrong", "least sure", "<h4>"):
        assert absent not in text


def test_bars_are_as_high_as_the_accuracy():
    axes, below = reliability.draw(RELIABILITY).axes
    assert [bar.get_height() for bar in axes.patches] == [0.0, 0.6, 0.8]
    assert [bar.get_height() for bar in below.patches] == pytest.approx([0.0, 0.3, 0.7])
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.patches] == pytest.approx([1 / 6, 0.5, 5 / 6])


def lines(K: int, values: list[float | None]) -> dict[str, Any]:
    """How many curves are grey, and what the others are called."""
    figure = thresholds.draw("pr", curves(K), {"average_precision": values}, [f"class {k}" for k in range(K)])
    drawn = figure.axes[0].get_lines()
    grey = [line for line in drawn if line.get_label().startswith("_")]
    return {"grey": len(grey), "named": [line.get_label() for line in drawn if line not in grey]}


def test_few_classes_have_a_colour_each_and_those_without_a_curve_none():
    assert lines(3, [0.9, None, 0.5]) == {"grey": 0, "named": ["class 0 0.900", "class 2 0.500"]}


def test_of_many_classes_the_weakest_are_named():
    values = [0.9 - 0.01 * k for k in range(20)]
    assert lines(20, values) == {"grey": 16, "named": ["class 19 0.710", "class 18 0.720", "class 17 0.730", "class 16 0.740"]}


def test_roc_draws_recall_over_the_false_positive_rate():
    figure = thresholds.draw("roc", curves(1), {"roc_auc": [0.7]}, ["a"])
    (line,) = figure.axes[0].get_lines()
    assert line.get_xdata().tolist() == [0, 0.0625, 0.25, 0.5625, 1]
    assert line.get_ydata().tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_of_more_than_100_classes_the_confusion_shows_those_found_least():
    K = 120
    matrix = np.diag(np.arange(K)[::-1] + 1)
    matrix[:, 0] += 60
    figure = confusion.draw(matrix, [f"n{k}" for k in range(K)])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [f"n{k}" for k in range(70, 120)]
    assert "of 120 classes, the 50" in figure.axes[0].get_xlabel()
    assert max(figure.get_size_inches()) < 12
