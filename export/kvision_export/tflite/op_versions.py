"""Which TensorFlow Lite first had which version of an op.

The converter keeps this table in C++ (tensorflow/compiler/mlir/lite/tools/versioning/runtime_version.cc) and stamps its result into the file;
litert-quantizer changes ops and stamps nothing, so the truth is read from the op versions.
"""

from __future__ import annotations

LITERT2 = "2.21"
"""The release whose op versions ai-edge-litert 2 has."""
OLDEST = "2.5"
"""Versions that are not in the table run on every runtime from here on, which is older than any that is asked for."""

# One line a release: the first versions of ops that it brought.
_SINCE = {
    "2.6": "ADD:4 MUL:5 PAD:4 PADV2:4 REDUCE_PROD:2 STRIDED_SLICE:6 ABS:4 REDUCE_ALL:1 CONV_3D_TRANSPOSE:1 VAR_HANDLE:1 READ_VARIABLE:1 "
    "ASSIGN_VARIABLE:1 BROADCAST_ARGS:1",
    "2.7": "CAST:2 DEQUANTIZE:5 QUANTIZE:3",
    "2.8": "CAST:3 TILE:3 RANDOM_STANDARD_NORMAL:1 BUCKETIZE:1 WHERE:2 RANDOM_UNIFORM:1 MULTINOMIAL:1",
    "2.9": "CONV_2D:6 CAST:4 ARG_MAX:3 ARG_MIN:3 GELU:1 DYNAMIC_UPDATE_SLICE:1",
    "2.10": "RELU_0_TO_1:1 UNSORTED_SEGMENT_PROD:1 UNSORTED_SEGMENT_MAX:1 UNSORTED_SEGMENT_SUM:1 ATAN2:1",
    "2.11": "CONV_2D:7 DEPTHWISE_CONV_2D:7 FULLY_CONNECTED:10 MUL:6 UNSORTED_SEGMENT_MIN:1 SIGN:1",
    "2.12": "SPACE_TO_BATCH_ND:4 BATCH_TO_SPACE_ND:4 CAST:5 TRANSPOSE:6 UNIDIRECTIONAL_SEQUENCE_LSTM:4 MIRROR_PAD:3 SELECT:3 SELECT_V2:2 EXP:2 "
    "ABS:5 FILL:4 SIGN:2",
    "2.13": "ADD:5 GATHER:6 GATHER_ND:4 MUL:7 TOPK_V2:3 TRANSPOSE_CONV:4 PACK:4 EQUAL:4 GREATER_EQUAL:3 LESS:3 FLOOR_DIV:3 FLOOR_MOD:2 BITCAST:1 "
    "BITWISE_XOR:1 RIGHT_SHIFT:1",
    "2.14": "CONCATENATION:4 STRIDED_SLICE:7 SLICE:6 RANGE:2 TRANSPOSE:7",
    "2.15": "CONV_2D:8 CAST:6 FULLY_CONNECTED:11 GATHER:7 TRANSPOSE_CONV:5 LOG:2 RSQRT:3 STABLEHLO_SCATTER:1 DILATE:1 "
    "STABLEHLO_RNG_BIT_GENERATOR:1 REDUCE_WINDOW:1",
    "2.16": "GATHER_ND:5 STABLEHLO_GATHER:1 STABLEHLO_ADD:1 STABLEHLO_MULTIPLY:1 STABLEHLO_REDUCE_WINDOW:1 STABLEHLO_MAXIMUM:1 "
    "STABLEHLO_MINIMUM:1 STABLEHLO_PAD:1",
    "2.17": "CAST:7 FULLY_CONNECTED:12 DYNAMIC_UPDATE_SLICE:2 STABLEHLO_COMPOSITE:1 STABLEHLO_AND:1 STABLEHLO_SHIFT_LEFT:1 STABLEHLO_CBRT:1 "
    "STABLEHLO_CASE:1",
    "2.18": "EMBEDDING_LOOKUP:4 FULLY_CONNECTED:13 DEQUANTIZE:6",
    "2.19": "DYNAMIC_UPDATE_SLICE:3",
    "2.20": "PAD:5 PADV2:5 DYNAMIC_UPDATE_SLICE:4",
    "2.21": "CAST:8 CONCATENATION:5 EMBEDDING_LOOKUP:5 FULLY_CONNECTED:14 SLICE:7 DEQUANTIZE:7 EQUAL:5 NOT_EQUAL:4 QUANTIZE:4 SQRT:2 "
    "DYNAMIC_UPDATE_SLICE:5",
    "2.22": "TRANSPOSE:8 UNPACK:5 DEQUANTIZE:8 DYNAMIC_UPDATE_SLICE:6",
    "2.23": "ADD:6 CONCATENATION:6 MUL:8 SOFTMAX:4 TRANSPOSE:9 SLICE:8 COS:2 SIN:2",
}
_TABLE: dict[str, list[tuple[int, str]]] = {}
for _release, _ops in _SINCE.items():
    for _each in _ops.split():
        _op, _version = _each.split(":")
        _TABLE.setdefault(_op, []).append((int(_version), _release))


def ordered(release: str) -> tuple[int, ...]:
    """A release as numbers, to compare by."""
    return tuple(int(part) for part in release.split("."))


def needs(op: str, version: int) -> str:
    """The oldest release that runs this version of an op, such as `2.15`."""
    return max((release for least, release in _TABLE.get(op, ()) if version >= least), key=ordered, default=OLDEST)
