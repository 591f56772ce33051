from __future__ import annotations

import pytest

from kvision.core.errors import UsageError
from kvision_export import formats


def test_names_without_tflite_are_the_same() -> None:
    assert formats.parse(["int8-full,fp16"]) == formats.parse(["tflite-int8-full", "tflite-fp16"])


def test_formats_are_named_once_and_in_order() -> None:
    found = formats.parse(["tflite-int8,savedmodel", "tflite-int8", " tflite-fp32 "])
    assert [each.name for each in found] == ["savedmodel", "tflite-fp32", "tflite-int8"]
    assert formats.parse(["all"]) == tuple(formats.FORMATS.values())
    assert formats.parse([]) == ()


def test_an_unknown_format_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r'--to tflite-in8: accepted are savedmodel, .*tflite-int8.*did you mean "tflite-int8"') as caught:
        formats.parse(["tflite-in8"])
    assert caught.value.exit_code == 2
