from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.ui import exports
from tests.unit.ui.conftest import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"format": "tflite-int8-full", "verdict": "good", "bytes": 900, "metric": "miou", "value": 0.6, "drop": 0.0125, "p50_ms_1": 1.5}
REJECTED = {"format": "tflite-int4", "verdict": "rejected", "bytes": 500, "metric": "miou", "value": None, "drop": 0.25, "failures": ["too <much>"]}


def test_files_kept_and_rejected_with_the_figures_of_their_proof(tmp_path: Path) -> None:
    facts = exports.read("b", write_bundle(tmp_path / "b", proof=[GOOD, REJECTED]))
    kept, rejected, served = facts.files
    assert (kept.format, kept.verdict, kept.bytes, kept.value, kept.drop, kept.latency_ms) == ("tflite-int8-full", "good", 900, 0.6, 1.25, 1.5)
    assert (rejected.verdict, rejected.value, rejected.drop, rejected.why) == ("rejected", None, 25.0, ("too <much>",))
    assert (served.format, served.verdict, served.bytes) == ("savedmodel", "", 1000)  # of which the proof says nothing
    assert (facts.title, facts.task, facts.formats, facts.why_not) == ("unet", "segmentation", ("tflite-int8-full",), "")


def test_a_bundle_whose_proof_is_missing_or_damaged_still_shows_its_files(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b")
    for text in (None, "{", "[]", '{"files": 3}', '{"files": [1, {"format": 2, "drop": "much", "failures": 7, "bytes": NaN}]}'):
        if text is not None:
            (bundle / "proof.json").write_text(text)
        assert "tflite-int8-full" in [file.format for file in exports.read("b", bundle).files]


def test_what_can_not_be_tried_says_why(tmp_path: Path) -> None:
    policy = exports.read("p", write_bundle(tmp_path / "p", preprocess=None))
    assert (policy.formats, policy.why_not) == ((), f"a policy model takes no pictures; kvision-edge run {tmp_path / 'p'} runs it")
    (tmp_path / "p" / "manifest.json").write_text('{"schema": 99}')
    assert "has schema 99, this runtime reads 1" in exports.read("p", tmp_path / "p").why_not
