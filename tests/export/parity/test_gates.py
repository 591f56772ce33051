from __future__ import annotations

import pytest

from kvision.core.errors import UsageError
from kvision_export.formats import FORMATS
from kvision_export.parity import gates
from kvision_export.parity.proof import OutputError, Proof

LIMITS = {"fp32": 1e-4, "fp16": 0.001, "dynamic": 0.005, "quantized": 0.015}


def proof(drop: float, largest: float = 0.0, not_finite: int = 0) -> Proof:
    return Proof({"miou": 0.88 - drop}, "miou", 0.88, 0.88 - drop, drop, 0.99, {"predict/logits": OutputError(largest, 0.0, 100.0, not_finite)}, 400)


@pytest.mark.parametrize(
    ("name", "most"), [("tflite-fp16", 0.001), ("tflite-dynamic", 0.005), ("tflite-int8", 0.015), ("tflite-int8-full", 0.015), ("tflite-int4", 0.015)]
)
def test_just_inside_holds_and_just_outside_fails(name: str, most: float) -> None:
    chosen = FORMATS[name]
    assert gates.judge(proof(most * 0.999), chosen, LIMITS) == []
    (failure,) = gates.judge(proof(most * 1.1), chosen, LIMITS)
    assert f"miou falls from 0.8800 to {0.88 - most * 1.1:.4f}, by {110 * most:.2f} points, where {100 * most:.2f} are allowed; " in failure


def test_who_learns_by_acting_is_not_sent_to_fine_tune() -> None:
    (told,), (others,) = (gates.judge(proof(0.1), FORMATS["tflite-int8"], LIMITS, tunes=tunes) for tunes in (False, True))
    assert told.endswith("; use --repair (keeps the worst layers in float), or --to tflite-dynamic")
    assert "--qat" in others


def test_a_gain_is_no_loss() -> None:
    assert gates.judge(proof(-0.2), FORMATS["tflite-int8"], LIMITS) == []


def test_float_files_are_judged_by_their_outputs() -> None:
    for name in ("tflite-fp32", "savedmodel"):
        assert gates.judge(proof(0.0, largest=0.0099), FORMATS[name], LIMITS) == []
        (failure,) = gates.judge(proof(0.0, largest=0.02), FORMATS[name], LIMITS)
        assert "predict/logits differs from the network's by up to 0.02, 0.0002 of its range, where 0.0001 is allowed" in failure


@pytest.mark.parametrize("chosen", FORMATS.values(), ids=list(FORMATS))
def test_values_that_are_none_fail_every_format(chosen) -> None:
    (failure,) = gates.judge(proof(-1.0, float("nan"), 1234), chosen, LIMITS)
    assert "1,234 values of predict/logits are NaN or infinite" in failure


@pytest.mark.parametrize("drop", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_fails(drop: float) -> None:
    assert gates.judge(proof(drop), FORMATS["tflite-int8"], LIMITS)


def test_full_int8_with_float_ops_is_not_full_int8() -> None:
    (failure,) = gates.judge(proof(0.0), FORMATS["tflite-int8-full"], LIMITS, float_ops=["NEG a", "NEG b"])
    assert failure.startswith("it is not int8-full, with 2 operations in float (NEG a, NEG b)")
    assert gates.judge(proof(0.0), FORMATS["tflite-int8"], LIMITS, float_ops=["NEG a"]) == []


def test_of_a_repaired_file_only_what_was_kept_in_float_on_purpose_may_be_in_float() -> None:
    kept = ["unet/a;unet/b"]
    assert gates.judge(proof(0.0), FORMATS["tflite-int8-full"], LIMITS, float_ops=["CONV_2D unet/a;unet/b_dequantize"], kept=kept) == []
    (failure,) = gates.judge(proof(0.0), FORMATS["tflite-int8-full"], LIMITS, float_ops=["CONV_2D unet/a;unet/b", "NEG c"], kept=kept)
    assert failure.startswith("it is not int8-full, with 1 operation in float (NEG c)")


def test_the_users_limits() -> None:
    changed = gates.overrides(["quantized=2", "tflite-int8-full=0.5", "fp32=1e-3"])
    assert changed["tflite-int4"] == changed["tflite-int8"] == pytest.approx(0.02)
    assert changed["tflite-int8-full"] == pytest.approx(0.005)
    assert changed["tflite-fp32"] == changed["savedmodel"] == pytest.approx(1e-3)
    assert gates.judge(proof(0.018), FORMATS["tflite-int8"], LIMITS, changed=changed) == []
    assert gates.judge(proof(0.006), FORMATS["tflite-int8-full"], LIMITS, changed=changed)
    assert gates.limit(FORMATS["tflite-int8"], LIMITS, changed).note == "loosened by --gate from 1.50 points to 2.00 points"
    assert gates.limit(FORMATS["tflite-int8-full"], LIMITS, changed).note == "tightened by --gate from 1.50 points to 0.50 points"
    assert gates.limit(FORMATS["tflite-fp32"], LIMITS, changed).note == "loosened by --gate from 0.0001 of the range to 0.001 of the range"
    assert gates.limit(FORMATS["tflite-fp16"], LIMITS, changed).note == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int9=1", r'--gate int9=1: expected KIND=POINTS with one of .*quantized.*int8-full.*; did you mean "'),
        ("int8", "--gate int8: got '', expected points of the metric, such as 1.5"),
        ("int8=-1", "got '-1', expected points"),
        ("fp16=nan", "got 'nan', expected points"),
        ("fp32=x", "got 'x', expected a share of the outputs' range, such as 1e-4"),
    ],
)
def test_limits_that_are_none(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gates.overrides([text])
