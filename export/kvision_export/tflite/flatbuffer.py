"""What stands in a .tflite file, read from the flatbuffer itself and never from what a converter says of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kvision_edge import manifest
from kvision_export.tflite import op_versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "BFLOAT16": "bfloat16",
    "INT4": "int4",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "BOOL": "bool",
    "STRING": "string",
    "RESOURCE": "resource",
    "COMPLEX64": "complex64",
}
_FLOATS = ("float32", "float16", "float64", "bfloat16")


def _named(kind: type) -> dict[int, str]:
    return {value: name for name, value in vars(kind).items() if isinstance(value, int)}


_OPERATORS, _TYPES = _named(schema.BuiltinOperator), _named(schema.TensorType)


@dataclass(frozen=True)
class FileFacts:
    """What a file holds.

    Attributes:
        signatures: Inputs and outputs by signature, in the file's own dtypes.
        ops: By signature how often each op occurs; the bodies of loops and branches count under `subgraph <number>`.
        versions: Highest version of each op.
        float_ops: Ops with a float activation, as `OP output tensor`; casts (QUANTIZE, DEQUANTIZE) do not count.
        custom_ops: Names of custom ops that are not TensorFlow's.
        flex_ops: Names of TensorFlow's own ops.
        variable_ops: Ops that read or write variables.
        minimum_runtime: Oldest runtime that has the ops in their versions, and computes them rightly, by the TensorFlow release.
        newest_ops: The ops that ask for it.
        weights_bytes: Bytes of all buffers, each counted once.
        weight_dtypes: Bytes of the constants by dtype.
    """

    signatures: dict[str, manifest.Signature]
    ops: dict[str, Counter[str]]
    versions: dict[str, int]
    float_ops: list[str]
    custom_ops: list[str]
    flex_ops: list[str]
    variable_ops: list[str]
    minimum_runtime: str
    newest_ops: list[str]
    weights_bytes: int
    weight_dtypes: dict[str, int]


def parse(content: bytes) -> Any:
    """The schema's object for the content of a file; buffers that lie behind the flatbuffer are brought in."""
    model = schema.ModelT.InitFromPackedBuf(content)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
    return model


def histogram(content: bytes) -> Counter[str]:
    """How often each op occurs in the content of a file."""
    model = parse(content)
    return sum(_by_graph(model).values(), Counter())


def inspect(path: Path) -> FileFacts:
    """Reads a file.

    Args:
        path: A .tflite file, with or without a zip appended.

    Returns:
        What it holds.
    """
    model = parse(path.read_bytes())
    names = [op_name(code) for code in model.operatorCodes]
    used = sorted({operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators or ()})
    versions: dict[str, int] = {}
    for index in used:
        versions[names[index]] = max(versions.get(names[index], 1), model.operatorCodes[index].version)
    custom = [name for name in versions if name.startswith("CUSTOM:")]
    flex = [name for name in custom if name.startswith("CUSTOM:Flex")]
    needs = {name: op_versions.needs(name, version) for name, version in versions.items()}
    needs |= dict.fromkeys(_unstamped(model, names), op_versions.LITERT2)
    least = max(needs.values(), key=op_versions.ordered, default=op_versions.OLDEST)
    dtypes: Counter[str] = Counter()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            dtypes[dtype(tensor)] += 0 if data is None else len(data)
    return FileFacts(
        signatures={_text(each.signatureKey): _signature(model, each) for each in model.signatureDefs or ()},
        ops=_by_graph(model),
        versions=versions,
        float_ops=[each for graph in model.subgraphs for each in _float_ops(model, graph, names)],
        custom_ops=[name.removeprefix("CUSTOM:") for name in custom if name not in flex],
        flex_ops=[name.removeprefix("CUSTOM:Flex") for name in flex],
        variable_ops=[name for name in versions if name in ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")],
        minimum_runtime=least,
        newest_ops=sorted(name for name, release in needs.items() if release == least),
        weights_bytes=sum(0 if each.data is None else len(each.data) for each in model.buffers),
        weight_dtypes={name: size for name, size in dtypes.items() if size},
    )


def op_name(code: Any) -> str:
    """`CONV_2D`, or `CUSTOM:<name>`."""
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return f"CUSTOM:{_text(code.customCode)}" if number == schema.BuiltinOperator.CUSTOM else _OPERATORS[number]


def dtype(tensor: Any) -> str:
    """A tensor's dtype as numpy calls it."""
    return _DTYPES.get(_TYPES[tensor.type], _TYPES[tensor.type].lower())


def is_constant(model: Any, tensor: Any) -> bool:
    """Whether a tensor's values stand in the file."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _tensor(tensor: Any) -> manifest.Tensor:
    signature = tensor.shapeSignature if tensor.shapeSignature is not None and len(tensor.shapeSignature) else tensor.shape
    shape = tuple(int(size) for size in signature) if signature is not None else ()
    parameters = tensor.quantization
    if parameters is None or parameters.scale is None or not len(parameters.scale):
        return manifest.Tensor(shape, dtype(tensor))
    scale = tuple(float(each) for each in parameters.scale)
    return manifest.Tensor(shape, dtype(tensor), scale, tuple(int(each) for each in parameters.zeroPoint), int(parameters.quantizedDimension))


def _signature(model: Any, definition: Any) -> manifest.Signature:
    tensors = model.subgraphs[definition.subgraphIndex].tensors
    edges = definition.inputs or (), definition.outputs or ()
    inputs, outputs = ({_text(each.name): _tensor(tensors[each.tensorIndex]) for each in edge} for edge in edges)
    return manifest.Signature(inputs, outputs)


def _by_graph(model: Any) -> dict[str, Counter[str]]:
    """Ops by signature; the bodies of loops and branches, which nothing ties to a signature, stand by number."""
    names = [op_name(code) for code in model.operatorCodes]
    owners = {each.subgraphIndex: _text(each.signatureKey) for each in model.signatureDefs or ()}
    found: dict[str, Counter[str]] = {}
    for number, graph in enumerate(model.subgraphs):
        name = owners.get(number, "main" if number == 0 else f"subgraph {number}")
        found[name] = Counter(names[operator.opcodeIndex] for operator in graph.operators or ())
    return found


def _float_ops(model: Any, graph: Any, names: list[str]) -> Iterator[str]:
    for operator in graph.operators or ():
        name = names[operator.opcodeIndex]
        edges = [index for each in (operator.inputs, operator.outputs) if each is not None for index in np.atleast_1d(each).tolist() if index >= 0]
        is_float = any(dtype(graph.tensors[index]) in _FLOATS and not is_constant(model, graph.tensors[index]) for index in edges)
        if is_float and name not in ("QUANTIZE", "DEQUANTIZE"):
            yield f"{name} {_text(graph.tensors[operator.outputs[0]].name)}"


_HYBRID = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 9, "TRANSPOSE_CONV": 99}
"""The least version that is stamped on an op which takes float activations and int8 weights; of transposed convolutions no stamp tells."""


def _unstamped(model: Any, names: list[str]) -> Iterator[str]:
    """Ops that need a newer runtime than their version says: see `kvision_export.tflite.runtimes`."""
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            name, code = names[operator.opcodeIndex], model.operatorCodes[operator.opcodeIndex]
            tensors = [graph.tensors[index] for index in np.atleast_1d(operator.inputs).tolist() if index >= 0]
            constants = {dtype(each) for each in tensors if is_constant(model, each)}
            is_hybrid = "int8" in constants and any(dtype(each) == "float32" and not is_constant(model, each) for each in tensors)
            if "int4" in constants or (is_hybrid and code.version < _HYBRID.get(name, 0)):
                yield name
