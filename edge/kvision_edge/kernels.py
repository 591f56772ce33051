"""What the kernels of the interpreters take for granted: steps above zero, channels that fit, a scale where they compute with whole numbers.

Where it does not hold they divide by zero, read past the end, or stop the process. All of it was found by mutating files, and is looked at for the
ops that networks for pictures are made of. For the rest there is `kvision_edge.guard`.

References:
    tensorflow/lite/kernels/{conv,depthwise_conv,transpose_conv,fully_connected,pooling}.cc; numbers of ops, options and fields: schema.fbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from kvision_edge.flatbuffer import Table

    Tensors = Sequence[Optional["Tensor"]]

_LARGEST_STEP = 1 << 12
"""Pixels of the largest stride, dilation or window that is believed."""
_NAMES: Dict[int, str] = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE",
    9: "FULLY_CONNECTED", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 21: "RELU6", 22: "RESHAPE", 23: "RESIZE_BILINEAR",
    25: "SOFTMAX", 26: "SPACE_TO_DEPTH", 28: "TANH", 34: "PAD", 40: "MEAN", 41: "SUB", 42: "DIV", 49: "SPLIT", 50: "LOG_SOFTMAX",
    67: "TRANSPOSE_CONV", 74: "SUM",
    97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU", 101: "ABS", 111: "ELU", 114: "QUANTIZE", 117: "HARD_SWISH", 126: "BATCH_MATMUL",
    150: "GELU",
}  # fmt: skip
"""The ops that are looked at, by BuiltinOperator. Those on 8 and 16 bits compute by the tensors' scales."""
_STEPS: Dict[str, Tuple[int, Tuple[int, ...], Tuple[int, ...]]] = {
    "CONV_2D": (1, (1, 2), (4, 5)),
    "DEPTHWISE_CONV_2D": (2, (1, 2), (5, 6)),
    "TRANSPOSE_CONV": (49, (1, 2), ()),
    "AVERAGE_POOL_2D": (5, (1, 2, 3, 4), ()),
    "MAX_POOL_2D": (5, (1, 2, 3, 4), ()),
    "SPACE_TO_DEPTH": (19, (0,), ()),
    "DEPTH_TO_SPACE": (94, (0,), ()),
    "SPLIT": (35, (0,), ()),
}
"""BuiltinOptions of an op, and the fields in them that are steps, windows, blocks or parts; last those that are 1 where they are left out."""
_PADDED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D", "MAX_POOL_2D"})
"""Ops whose options begin with the kind of padding, 0 or 1."""
_WEIGHED: Dict[str, Tuple[int, int]] = {"CONV_2D": (0, 2), "DEPTHWISE_CONV_2D": (0, 2), "TRANSPOSE_CONV": (2, 3), "FULLY_CONNECTED": (0, 2)}
"""Which input is weighed and which is the bias; the weights are number 1."""
_SIZES = {"PAD": 1, "RESHAPE": 1, "RESIZE_BILINEAR": 1, "RESIZE_NEAREST_NEIGHBOR": 1, "TRANSPOSE_CONV": 0}
"""Which input says how large the output is."""
_LARGEST_RATIO = 2.0**30
"""Of the steps of an input to those of the output: more can't be multiplied in 32 bits."""
_KEEP = frozenset({
    "AVERAGE_POOL_2D", "DEQUANTIZE", "LOGISTIC", "MAX_POOL_2D", "RELU", "RELU6", "RESIZE_BILINEAR", "SOFTMAX", "TANH", "LOG_SOFTMAX",
    "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "ABS", "ELU", "QUANTIZE", "HARD_SWISH", "GELU",
})  # fmt: skip
"""Ops that keep the number of channels."""
_WHOLE = {3: "uint8", 7: "int16", 9: "int8"}
"""Types of numbers that mean nothing without a scale, by TensorType."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of an op.

    Attributes:
        shape: Sizes; -1 where any will do.
        kind: TensorType.
        scales: Of its quantization.
        values: Of a constant that may be sizes.
    """

    shape: Tuple[int, ...]
    kind: int
    scales: Tuple[float, ...] = ()
    values: Tuple[int, ...] = ()


def complaint(code: int, options_kind: int, options: List[Table], inputs: Tensors, outputs: Sequence[Tensor]) -> str:
    """What is wrong with an op.

    Args:
        code: Its BuiltinOperator.
        options_kind: BuiltinOptions of its options.
        options: Its options, if there are any.
        inputs: Its inputs; none: left out.
        outputs: Its outputs.

    Returns:
        The reason; empty: it may run.
    """
    name = _NAMES.get(code, "")
    if not name:
        return ""
    given = [each for each in inputs if each is not None]
    for each in [*given, *outputs]:
        if each.kind in _WHOLE and not each.scales:
            return f"{name} of {_WHOLE[each.kind]} without a scale"
    kind, fields, defaulted = _STEPS.get(name, (options_kind, (), ()))
    if options_kind != kind or (fields and not options):
        return f"{name} with the options of another op"
    if name in _PADDED and options[0].number(0, "<b") not in (0, 1):
        return f"{name} with a padding of kind {options[0].number(0, '<b')}"
    for field in (*fields, *defaulted):
        step = options[0].number(field, "<i", 1 if field in defaulted else 0)
        if not 1 <= step <= _LARGEST_STEP:
            return f"{name} with a step of {step}"
    reason = _weighed(name, inputs, outputs) if name in _WEIGHED else _kept(name, given, outputs)
    return reason or _slid(name, options, given, outputs) or _sized(name, given, outputs)


def _weighed(name: str, inputs: Tensors, outputs: Sequence[Tensor]) -> str:
    """What is wrong with the weights of an op, or the bias."""
    image, bias = (inputs[place] if place < len(inputs) else None for place in _WEIGHED[name])
    weights, made = inputs[1] if len(inputs) > 1 else None, outputs[0] if outputs else None
    rank = 2 if name == "FULLY_CONNECTED" else 4
    if image is None or weights is None or made is None or not image.shape or not made.shape or len(weights.shape) != rank:
        return f"{name} without what it weighs"
    if made.scales and image.scales and not max(weights.scales, default=1.0) * image.scales[0] < _LARGEST_RATIO * made.scales[0]:
        return f"{name} into steps of {made.scales[0]:g}"
    if -1 in (*weights.shape, image.shape[-1], made.shape[-1]):
        return ""
    count = weights.shape[-1 if name == "DEPTHWISE_CONV_2D" else 0]
    if count != made.shape[-1] or (bias is not None and count != prod(bias.shape)):
        return f"{name} with weights of {list(weights.shape)}, a bias of {None if bias is None else list(bias.shape)} and {list(made.shape)} to make"
    if 0 in (*weights.shape, image.shape[-1]) or not _fits(name, image.shape[-1], weights.shape[-1], count):
        return f"{name} of {list(image.shape)} by weights of {list(weights.shape)}"
    return ""


def _fits(name: str, channels: int, weighed: int, made: int) -> bool:
    if name == "DEPTHWISE_CONV_2D":
        return made % channels == 0
    if name == "CONV_2D":  # in groups
        return channels % weighed == 0 and made % (channels // weighed) == 0
    return name == "FULLY_CONNECTED" or channels == weighed


def _kept(name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """What is wrong with the steps of an op's quantization, or the channels: the interpreter goes on with those that came, the next op does not."""
    for before, after in ((before, after) for before in inputs for after in outputs if before.scales and after.scales):
        if not max(before.scales) < _LARGEST_RATIO * min(after.scales):
            return f"{name} from steps of {max(before.scales):g} to {min(after.scales):g}"
    if name in _KEEP and inputs and outputs and not _same(inputs[0].shape[-1:], outputs[0].shape[-1:]):
        return f"{name} from {list(inputs[0].shape)} to {list(outputs[0].shape)}"
    return ""


def _slid(name: str, options: List[Table], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """What is wrong with the height and width that a window makes: padded so that only the stride counts, or not padded."""
    if name not in _PADDED:
        return ""
    image, made = inputs[0 if name != "TRANSPOSE_CONV" else 2].shape, outputs[0].shape
    if len(image) != 4 or len(made) != 4:
        return f"{name} of {list(image)} to {list(made)}"
    option = options[0].number
    dilations = [option(field, "<i", 1) for field in reversed(_STEPS[name][2])] or [1, 1]
    window = [option(4, "<i"), option(3, "<i")] if "POOL" in name else list(inputs[1].shape[1:3])
    large, small = (made, image) if name == "TRANSPOSE_CONV" else (image, made)
    for axis, stride in enumerate((option(2, "<i"), option(1, "<i"))):
        reach = (window[axis] - 1) * dilations[axis] if option(0, "<b") else 0
        if -1 not in (large[1 + axis], small[1 + axis], window[axis]) and -(-(large[1 + axis] - reach) // stride) != small[1 + axis]:
            return f"{name} of {list(image)} to {list(made)} by steps of {stride}"
    return ""


def _sized(name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """What is wrong with the constant that says how large the output is."""
    place = _SIZES.get(name)
    if place is None or len(inputs) <= place or not inputs[place].values or not outputs:
        return ""
    before, said = inputs[0].shape, inputs[place].values
    if name == "PAD" and len(said) == 2 * len(before) and min(said) >= 0:
        said = tuple(-1 if size < 0 else size + said[2 * axis] + said[2 * axis + 1] for axis, size in enumerate(before))
    elif name.startswith("RESIZE"):
        said = (*before[:1], *said, *before[-1:])
    return "" if _same(said, outputs[0].shape) else f"{name} to {list(said)} in a tensor of {list(outputs[0].shape)}"


def _same(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes may be the same."""
    return len(one) == len(other) and all(-1 in pair or pair[0] == pair[1] for pair in zip(one, other))
