"""Files whose structure is whole, but which would take the interpreter down, are refused with the reason."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest

from kvision_edge import flatbuffer, kernels
from kvision_edge.errors import BundleError
from kvision_edge.kernels import Tensor

if TYPE_CHECKING:
    from pathlib import Path

INT8, FLOAT = 9, 0


class Options:
    """Stands in for the table of an op's options: its fields by number."""

    def __init__(self, **fields: int) -> None:
        self.fields = {int(name[1:]): value for name, value in fields.items()}

    def number(self, field: int, kind: str, default: int = 0) -> int:
        return self.fields.get(field, default)


def floats(*shape: int) -> Tensor:
    return Tensor(shape, FLOAT)


WHOLE = Options(_0=0, _1=1, _2=1)
IMAGE, WEIGHTS, BIAS = floats(1, 32, 32, 3), floats(8, 3, 3, 3), floats(8)


@pytest.mark.parametrize(
    ("code", "kind", "options", "inputs", "outputs", "said"),
    [
        (3, 1, WHOLE, [IMAGE, WEIGHTS, BIAS], floats(1, 32, 32, 8), ""),
        (3, 1, WHOLE, [floats(1, 32, 32, 222), WEIGHTS, BIAS], floats(1, 32, 32, 8), r"CONV_2D of \[1, 32, 32, 222\] by weights of \[8, 3, 3, 3\]"),
        (3, 1, Options(_0=0, _1=1, _2=2752513), [IMAGE, WEIGHTS, BIAS], floats(1, 32, 32, 8), "CONV_2D with a step of 2752513"),
        (3, 1, Options(_0=0, _1=0, _2=1), [IMAGE, WEIGHTS, BIAS], floats(1, 32, 32, 8), "CONV_2D with a step of 0"),
        (3, 1, Options(_0=-77, _1=1, _2=1), [IMAGE, WEIGHTS, BIAS], floats(1, 32, 32, 8), "a padding of kind -77"),
        (3, 1, Options(_0=0, _1=2, _2=1), [IMAGE, WEIGHTS, BIAS], floats(1, 32, 32, 8), "by steps of 2"),
        (3, 1, Options(_0=1, _1=1, _2=1), [IMAGE, WEIGHTS, BIAS], floats(1, 30, 30, 8), ""),
        (3, 5, WHOLE, [IMAGE, WEIGHTS, BIAS], floats(1, 32, 32, 8), "with the options of another op"),
        (3, 1, WHOLE, [IMAGE, WEIGHTS, floats(7)], floats(1, 32, 32, 8), r"a bias of \[7\]"),
        (3, 1, WHOLE, [floats(-1, -1, -1, 3), WEIGHTS, None], floats(-1, -1, -1, 8), ""),
        (4, 2, WHOLE, [IMAGE, floats(1, 3, 3, 6)], floats(1, 32, 32, 6), ""),
        (4, 2, WHOLE, [IMAGE, floats(1, 3, 3, 8)], floats(1, 32, 32, 8), "DEPTHWISE_CONV_2D of"),
        (67, 49, Options(_0=0, _1=2, _2=2), [Tensor((4,), 2, (), (1, 9, 9, 8)), WEIGHTS, floats(1, 5, 5, 3)], floats(1, 9, 9, 8), ""),
        (
            67,
            49,
            Options(_0=0, _1=2, _2=2),
            [Tensor((4,), 2, (), (1, 9, 99, 8)), WEIGHTS, floats(1, 5, 5, 3)],
            floats(1, 9, 9, 8),
            "to .1, 9, 99, 8.",
        ),
        (17, 5, Options(_0=1, _1=2, _2=2, _3=2, _4=0), [IMAGE], floats(1, 16, 16, 3), "MAX_POOL_2D with a step of 0"),
        (34, 0, WHOLE, [IMAGE, Tensor((4, 2), 2, (), (0, 0, 1, 1, 1, 1, 0, 0))], floats(1, 34, 34, 3), ""),
        (34, 0, WHOLE, [IMAGE, Tensor((4, 2), 2, (), (0, 0, 1, 1, 1 << 24, 1, 0, 0))], floats(1, 34, 34, 3), r"PAD to \[1, 34, 16777249, 3\]"),
        (114, 0, WHOLE, [Tensor((1, 4), INT8, (0.1,))], Tensor((1, 5), INT8, (0.1,)), r"QUANTIZE from \[1, 4\] to \[1, 5\]"),
        (114, 0, WHOLE, [Tensor((1, 4), INT8, ())], Tensor((1, 4), INT8, (0.1,)), "QUANTIZE of int8 without a scale"),
        (114, 0, WHOLE, [Tensor((1, 4), INT8, (0.1,))], Tensor((1, 4), INT8, (1e-24,)), "QUANTIZE from steps of 0.1 to 1e-24"),
        (9, 8, WHOLE, [floats(1, 5, 16), floats(8, 16), None], floats(1, 5, 8), ""),
        (9, 8, WHOLE, [floats(1, 16), floats(16)], floats(1, 8), "FULLY_CONNECTED without what it weighs"),
        (32, 0, WHOLE, [], floats(), ""),
    ],
)
def test_an_op_may_run_or_is_complained_of(code: int, kind: int, options: Options, inputs: list, outputs: Tensor, said: str) -> None:
    found = kernels.complaint(code, kind, [options], inputs, [outputs])
    assert re.search(said, found) if said else found == ""


def test_the_file_that_divided_by_zero_on_runtime_2_14_is_refused(segmentation: Path) -> None:
    """Its input has 222 channels instead of 3: 74 groups for 8 outputs."""
    content = (segmentation / "tflite-int8-full.tflite").read_bytes()
    shape = struct.pack("<5i", 4, 1, 32, 32, 3)
    assert content.count(shape) == 1
    with pytest.raises(BundleError, match=r"x: is a damaged LiteRT file \(CONV_2D of \[1, 32, 32, 222\] by weights"):
        flatbuffer.verify(content.replace(shape, struct.pack("<5i", 4, 1, 32, 32, 222)), "x")
