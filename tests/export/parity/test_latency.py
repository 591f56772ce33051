from __future__ import annotations

import re
import subprocess
import sys
import time

from kvision_export.errors import ExportError
from kvision_export.parity import latency


def test_percentiles_by_hand() -> None:
    found = latency.summary(latency.Samples([0.001 * each for each in range(1, 12)]))
    assert (found.p50_ms, found.p90_ms, found.runs, found.disturbed) == (6.0, 10.0, 11, 0.0)


def test_calls_that_were_interrupted_do_not_count_as_long_as_others_are_there() -> None:
    found = latency.summary(latency.Samples([0.001] * 6, [0.5] * 2))
    assert (found.p50_ms, found.runs, found.disturbed) == (1.0, 6, 0.25)
    busy = latency.summary(latency.Samples([0.001], [0.5] * 8))
    assert (busy.p50_ms, busy.runs, busy.disturbed) == (500.0, 9, 1.0)


def test_files_run_by_turns_and_a_slow_one_gets_no_more_than_its_share() -> None:
    order: list[str] = []

    def call(name: str, seconds: float):
        def run() -> None:
            order.append(name)
            time.sleep(seconds)

        return run

    found = latency.by_turns({"fast": call("fast", 0.001), "slow": call("slow", 0.05)}, 0.4)
    count = {name: len(samples.calm) + len(samples.disturbed) for name, samples in found.items()}
    assert 5 <= count["slow"] <= 15
    assert count["fast"] > 3 * count["slow"]
    turns = [name for place, name in enumerate(order) if place == 0 or order[place - 1] != name]
    assert turns.count("slow") >= 5, "the slow one ran in one go"
    assert min(found["slow"].calm + found["slow"].disturbed) >= 0.05


def test_two_files_in_fresh_processes(files) -> None:
    found = latency.measure({"fp32": files["fp32"], "int8": files["int8-full"]}, threads=(1,), budget_s=0.2)
    assert set(found) == {"fp32", "int8"}
    for each in found.values():
        assert isinstance(each, latency.Latency)
        timing = each.timings[1]
        assert 0 < timing.p50_ms <= timing.p90_ms
        assert timing.runs >= 5
        assert 50_000 < each.peak_bytes < 500_000_000


def test_the_process_that_measures_loads_no_tensorflow() -> None:
    code = "import sys, kvision_export.parity.latency, kvision_export.parity.runner; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_can_not_be_run_is_named_and_keeps_no_other_one_from_being_timed(tmp_path, files) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"nothing")
    found = latency.measure({"x": path, "fp32": files["fp32"]}, threads=(1,), budget_s=0.0)
    assert isinstance(found["x"], ExportError)
    assert re.match(r"broken\.tflite: can't be timed \(.*is no LiteRT file", str(found["x"]))
    assert isinstance(found["fp32"], latency.Latency)
    assert latency.measure({}) == {}


def test_a_file_that_takes_too_long_is_no_fault_of_the_export(files, monkeypatch) -> None:
    monkeypatch.setattr(latency, "LIMIT_S", 0.05)
    found = latency.measure({"fp32": files["fp32"]})
    assert str(found["fp32"]) == f"{files['fp32'].name}: can't be timed (a few calls took more than 0.05 s)"
