from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path

import pytest

from kvision_export.formats import FORMATS
from kvision_export.parity import earlier, finding, page
from kvision_export.parity.latency import Latency, Timing
from kvision_export.parity.layers import LayerLoss
from kvision_export.parity.pictures import Pair
from kvision_export.parity.proof import OutputError, Proof, Reference
from kvision_export.parity.repair import Repair, Step


def proof(value: float, not_finite: int = 0) -> Proof:
    largest = math.nan if not_finite else 0.5
    metrics = {"loss": 0.1, "miou": value}
    return Proof(metrics, "miou", 0.88, value, 0.88 - value, 0.998, {"predict/logits": OutputError(largest, 0.01, 50.0, not_finite)}, 400, (3,), 1.5)


def found(name: str, num_bytes: int, ms: float | None, value: float = 0.88, failures: tuple[str, ...] = (), **more) -> finding.Finding:
    latency = None if ms is None else Latency({1: Timing(ms, 1.2 * ms, 100), 2: Timing(0.6 * ms, 0.8 * ms, 100)}, 3_000_000)
    return finding.Finding(FORMATS[name], f"unet.{name}", num_bytes, proof(value), failures, latency, {"CONV_2D": 20, "ADD": 2}, **more)


FP32 = found("tflite-fp32", 8000, 10.0)
FP16 = found("tflite-fp16", 4000, 10.2)
DYNAMIC = found("tflite-dynamic", 2000, 21.0)
INT8 = found("tflite-int8-full", 2100, 4.0)
INT4 = found("tflite-int4", 1200, 5.0, 0.5, ("miou falls <much>",))


def test_auto_takes_the_smallest_that_holds_and_is_not_slower() -> None:
    assert finding.auto([FP32, FP16, DYNAMIC, INT8, INT4]) is INT8
    assert finding.auto([FP32, FP16, DYNAMIC, INT4]) is FP16, "2% is no difference"
    assert finding.auto([FP32, DYNAMIC, INT4]) is FP32
    assert finding.auto([INT4]) is None
    aside = dataclasses.replace(FP32, kept=False)
    assert finding.auto([aside, FP16, DYNAMIC]) is FP16
    assert finding.auto([aside, DYNAMIC]) is None, "compared with, but not there to be chosen"
    assert finding.auto([found("savedmodel", 10, None)]) is None
    untimed = found("tflite-int8", 10, None)
    assert finding.auto([FP32, untimed]) is FP32, "nobody knows whether it is slower"
    assert finding.auto([dataclasses.replace(FP32, latency=None), untimed]) is untimed


def test_what_is_slower_is_said_to_be_so() -> None:
    every = [FP32, FP16, DYNAMIC, INT8]
    assert finding.slower(DYNAMIC, every) == "slower than fp32: 21 ms against 10 ms at 1 thread, 2.1 times as long"
    assert [finding.slower(each, every) for each in (FP32, FP16, INT8)] == ["", "", ""]
    assert finding.speed_up(INT8, every) == pytest.approx(2.5)
    assert finding.speed_up(INT8, [INT8]) is None
    assert finding.speed_up(found("savedmodel", 10, None), every) is None


def test_times_of_a_busy_machine_are_not_to_be_trusted() -> None:
    assert finding.busy(INT8) == finding.busy(found("savedmodel", 10, None)) == ""
    latency = Latency({1: Timing(4.0, 5.0, 9, 0.4), 2: Timing(9.0, 20.0, 9, 1.0)}, 1)
    assert "other programs interrupted the calls at 2 threads" in finding.busy(dataclasses.replace(INT8, latency=latency))


@pytest.fixture
def report() -> page.Report:
    layer = LayerLoss("predict", "CONV_2D", "unet/up2;unet/more", 0.9, 0.8, 12.5, ("unet/up2;unet/more",))
    steps = (
        Step((), Path("x.tflite"), 1200, proof(0.5), ("misses",)),
        Step(("unet/up2",), Path("x.tflite"), 1300, proof(0.879), (), Timing(5.0, 6.0, 9)),
    )
    bad = found(
        "tflite-int4", 1200, 5.0, 0.5, ("miou falls <much>",), worst=(layer,), repair=Repair((layer,), steps, Timing(10, 11, 5)), float_ops=("NEG a",)
    )
    broken = finding.Finding(FORMATS["tflite-int8"], "rejected/unet.int8.tflite", 2000, proof(math.nan, 17), ("17 values are NaN",))
    reference = Reference({"loss": 0.1, "miou": 0.88}, 400, "the run recorded another")
    pair = Pair("digit & <3>", {"Keras": "data:image/png;base64,AAAA", "int8-full": "data:image/png;base64,BBBB"})
    return page.Report(
        "unet", "segmentation/unet", "runs/unet", reference, "miou", (FP32, DYNAMIC, INT8, bad, broken), (pair,), (("Made in", "2 min"),)
    )


def test_the_page_tells_all_and_needs_no_network(report) -> None:
    html = page.render(report)
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", html)
    assert "http" not in html
    for text in (
        "0.25×", "slower than fp32: 21 ms", "−38.00", "✗", "miou falls &lt;much&gt;", "digit &amp; &lt;3&gt;", "unet/up2", "12.5 dB", "17 values",
        "the run recorded another", "best for a device: unet.tflite-int8-full",
        "Repair of tflite-int4", "20 × CONV_2D", "NaN", "2.50×", "prefers-color-scheme",
    ):  # fmt: skip
        assert text in html, text


def test_what_was_told_is_told_again_as_long_as_the_file_is_there(report, tmp_path) -> None:
    page.write(report, tmp_path)
    for each in (DYNAMIC, INT8):
        (tmp_path / each.path).touch()
    (tmp_path / "rejected").mkdir()
    (tmp_path / "rejected" / "unet.int8.tflite").touch()
    kept = earlier.read(tmp_path / "proof.json", ["tflite-dynamic"])
    assert [each.finding.path for each in kept] == [INT8.path, "rejected/unet.int8.tflite"]
    again = dataclasses.replace(report, findings=(FP32,), earlier=kept, before=kept[0].finding)
    old, new = json.loads(page.to_json(report)), json.loads(page.to_json(again))
    assert new["files"] == [old["files"][0], old["files"][2], old["files"][4]]
    assert (new["choice"], again.choice) == ("tflite-int8-full", kept[0].finding)
    assert [row["speed_up_1"] for row in csv.DictReader(io.StringIO(page.to_csv(again)))] == ["1.0", "2.5", ""]
    html = page.render(again)
    for text in ("2.50×", "17 values are NaN", "best for a device: unet.tflite-int8-full", "20 × CONV_2D"):
        assert text in html, text
    (tmp_path / "proof.json").write_text('{"files": [{"path": "x"}]}')
    assert earlier.read(tmp_path / "proof.json", []) == earlier.read(tmp_path / "none.json", []) == ()


def test_json_and_csv_agree(report, tmp_path) -> None:
    paths = page.write(report, tmp_path)
    assert [path.name for path in paths] == ["report.html", "proof.json", "proof.csv"]
    values = json.loads(paths[1].read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    rows = list(csv.DictReader(io.StringIO(paths[2].read_text())))
    assert values["choice"] == "tflite-int8-full"
    assert [each["format"] for each in values["files"]] == [row["format"] for row in rows]
    assert [row["verdict"] for row in rows] == ["good", "good", "good", "rejected", "rejected"]
    int8, int4, broken = values["files"][2:]
    assert (int8["size_ratio"], int8["speed_up_1"], int8["p90_ms_2"], int8["agreement"]) == (0.2625, 2.5, pytest.approx(3.2), 0.998)
    assert float(rows[2]["speed_up_1"]) == 2.5
    assert int8["errors"]["predict/logits"]["largest"] == 0.5
    assert int4["repair"][1] == {"kept": ["unet/up2"], "bytes": 1300, "value": 0.879, "drop": pytest.approx(0.001), "failures": [], "p50_ms_1": 5.0}
    assert int4["worst_layers"][0]["added"] == 0.8
    assert broken["value"] is None
    assert broken["not_finite"] == 17
    assert values["files"][1]["notes"] == ["slower than fp32: 21 ms against 10 ms at 1 thread, 2.1 times as long"]
