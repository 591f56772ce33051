"""Pydantic's complaints become what came, what is accepted and what to do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from kvision.core import faults
from kvision.core.schema import OptimOptions, TrainOptions


def translated(section: Any, values: dict[str, Any]) -> list[faults.Fault]:
    with pytest.raises(ValidationError) as caught:
        section.model_validate_json(json.dumps(values), strict=True)
    return faults.translate(caught.value.errors(), section, values)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ({"epoch": 3}, "unknown", 'unknown key; accepted are epochs, steps, seed, steps_per_call, .*; did you mean "epochs"'),
        ({"epochs": "3"}, "value", "got '3', expected a whole number from 1 to 1e9; remove the quotes"),
        ({"epochs": "inf"}, "value", "got 'inf', expected a whole number from 1 to 1e9, which is finite"),
        ({"epochs": 3.0}, "value", r"got 3\.0, expected a whole number .*; write 3"),
        ({"epochs": 0}, "value", "got 0, expected a whole number from 1 to 1e9"),
        ({"epochs": None}, "value", r"got nothing \(null\), expected a whole number"),
    ],
)
def test_one_complaint(values: dict[str, Any], kind: str, message: str) -> None:
    (fault,) = translated(TrainOptions, values)
    assert fault.kind == kind
    assert fault.dotted == next(iter(values))
    assert re.match(message, fault.message), fault.message


def test_a_fault_in_a_list_names_the_item_and_all_are_told() -> None:
    found = translated(OptimOptions, {"groups": [{"lr_scale": 1.0}], "nesterov": "yes", "name": "adam2"})
    assert {fault.dotted: fault.kind for fault in found} == {"groups[0].match": "missing", "nesterov": "value", "name": "value"}
    by_path = {fault.dotted: fault.message for fault in found}
    assert by_path["groups[0].match"].startswith("missing; expected text")
    assert by_path["nesterov"].endswith("; write true without quotes")
    assert by_path["name"].endswith('; did you mean "adam"?')
