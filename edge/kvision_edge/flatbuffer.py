"""Looks through a .tflite file before an interpreter gets it: every offset inside the file, every index inside its list, every constant of its size.

The interpreters trust the file: a wrong index in it is a wild pointer in them.

References:
    The TensorFlow Lite schema (tensorflow/compiler/mlir/lite/schema/schema.fbs), whose field numbers these are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from kvision_edge import kernels
from kvision_edge.errors import BundleError

IDENTIFIER = b"TFL3"
_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 11: 128, 12: 64, 15: 32, 16: 16, 17: 4, 18: 16}
"""Bits of a value by TensorType; strings, resources and variants have no fixed size."""
_MOST = 1 << 20
"""Most entries of a list of tables: real files have thousands."""
_LARGEST_BYTES = 1 << 28
"""Most bytes of one tensor that are believed: the interpreter would allocate them."""
_SCALES = (1e-25, 1e10)
"""Steps of quantization that are believed: arithmetic with others overflows in the kernels."""
_ZEROS = {3: (0, 255), 7: (-32768, 32767), 9: (-128, 127), 17: (-8, 7)}
"""Range of a zero point by TensorType."""
_INT32 = 2
_MOST_SIZES = 16
"""Values of a constant that may be sizes."""
_OPTIONAL = -1
"""Index of an input that is left out."""
# Fields of the schema's tables, by number: of Model and of SubGraph those that have a name here. The others, at the numbers that stand below:
# Model 3 description, 5 metadata_buffer, 6 metadata; SubGraph 4 name; Metadata 0 name, 1 buffer; Buffer 0 data, 1 offset, 2 size;
# OperatorCode 0 deprecated_builtin_code, 1 custom_code, 2 version, 3 builtin_code; SignatureDef 0 inputs, 1 outputs, 2 signature_key,
# 4 subgraph_index; TensorMap 0 name, 1 tensor_index; Operator 0 opcode_index, 1 inputs, 2 outputs, 3 builtin_options_type, 4 builtin_options,
# 5 custom_options, 8 intermediates, 12 builtin_options_2; Tensor 0 shape, 1 type, 2 buffer, 3 name, 4 quantization, 6 sparsity,
# 7 shape_signature; QuantizationParameters 0 min, 1 max, 2 scale, 3 zero_point, 5 details, 6 quantized_dimension.
_VERSION, _CODES, _SUBGRAPHS, _BUFFERS, _SIGNATURES = 0, 1, 2, 4, 7
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3


@dataclass(frozen=True)
class Facts:
    """What a file holds.

    Attributes:
        operators: Number, version and custom name of each kind of op.
        signatures: The subgraph of each function.
        num_operators: Ops of all subgraphs.
    """

    operators: Tuple[Tuple[int, int, str], ...]
    signatures: Dict[str, int]
    num_operators: int


class _DamageError(Exception):
    pass


class Table:
    """One table of the file; each access checks that it stays inside."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        back = _number(data, "<i", at)
        self._fields = at - back
        self._length = _number(data, "<H", self._fields)
        size = _number(data, "<H", self._fields + 2)
        if self._length < 4 or self._length % 2 or size < 4 or at + size > len(data) or self._fields + self._length > len(data):
            raise _DamageError("a table reaches beyond the file")
        self._size = size
        entries = struct.unpack_from(f"<{self._length // 2 - 2}H", data, self._fields + 4)
        if any(entry >= size for entry in entries):
            raise _DamageError("a field reaches beyond its table")

    def place(self, field: int, size: int) -> int:
        """Where a field of `size` bytes stands; 0: it has its default."""
        entry = 4 + 2 * field
        if entry + 2 > self._length:
            return 0
        offset = int(_number(self._data, "<H", self._fields + entry))
        if offset and offset + size > self._size:
            raise _DamageError("a field reaches beyond its table")
        return self._at + offset if offset else 0

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """A number of the struct module's kind."""
        at = self.place(field, struct.calcsize(kind))
        return _number(self._data, kind, at) if at else default

    def _target(self, field: int) -> int:
        at = self.place(field, 4)
        return at + _number(self._data, "<I", at) if at else 0

    def list(self, field: int, size: int) -> Tuple[int, int]:
        """Start and length of a list whose elements have `size` bytes."""
        at = self._target(field)
        if not at:
            return 0, 0
        count = _number(self._data, "<I", at)
        if at + 4 + count * size > len(self._data):
            raise _DamageError("a list reaches beyond the file")
        return at + 4, count

    def values(self, field: int, kind: str) -> Tuple[Any, ...]:
        """The numbers of a list, of the struct module's kind."""
        start, count = self.list(field, struct.calcsize(f"<{kind}"))
        return struct.unpack_from(f"<{count}{kind}", self._data, start) if count else ()

    def integers(self, field: int) -> Tuple[int, ...]:
        """A list of int32."""
        return self.values(field, "i")

    def text(self, field: int) -> str:
        """A string; bytes that are no UTF-8 are replaced."""
        start, count = self.list(field, 1)
        return bytes(self._data[start : start + count]).decode("utf-8", "replace")

    def table(self, field: int) -> List[Table]:
        """The table of a field, if it is there."""
        at = self._target(field)
        return [Table(self._data, at)] if at else []

    def tables(self, field: int) -> List[Table]:
        """A list of tables."""
        start, count = self.list(field, 4)
        if count > _MOST:
            raise _DamageError(f"a list has {count} tables")
        places = range(start, start + 4 * count, 4)
        return [Table(self._data, at + _number(self._data, "<I", at)) for at in places]


def verify(content: bytes, where: str) -> Facts:
    """Checks a file's structure.

    Args:
        content: The whole file.
        where: What to call it in messages.

    Returns:
        What it holds.

    Raises:
        BundleError: If it is no LiteRT file, is cut short, or points outside of itself.
    """
    if content[4:8] != IDENTIFIER:
        raise BundleError(f"{where}: is no LiteRT file (it has no {IDENTIFIER.decode()} mark); copy it again, or export it again")
    try:
        return _model(memoryview(content))
    except (_DamageError, struct.error, IndexError, OverflowError) as error:
        raise BundleError(f"{where}: is a damaged LiteRT file ({error}); copy it again, or export it again") from error


def _model(data: memoryview) -> Facts:
    model = Table(data, _number(data, "<I", 0))
    if model.number(_VERSION, "<I") != 3:
        raise _DamageError(f"schema version {model.number(_VERSION, '<I')}, expected 3")
    operators = tuple((max(code.number(0, "<b"), code.number(3, "<i")), code.number(2, "<i", 1), code.text(1)) for code in model.tables(_CODES))
    buffers = [_buffer(buffer, data) for buffer in model.tables(_BUFFERS)]
    subgraphs = model.tables(_SUBGRAPHS)
    if not subgraphs:
        raise _DamageError("it has no graph")
    codes = [code for code, _, _ in operators]
    counts = [_subgraph(subgraph, codes, buffers) for subgraph in subgraphs]
    model.text(3)
    _within(model.integers(5), len(buffers), "a note's buffer")
    for note in model.tables(6):
        note.text(0)
        _within([note.number(1, "<I")], len(buffers), "a note's buffer")
    signatures = {}
    for signature in model.tables(_SIGNATURES):
        number = signature.number(4, "<I")
        _within([number], len(subgraphs), "a signature's graph")
        for side in (0, 1):
            named = [(each.text(0), each.number(1, "<I")) for each in signature.tables(side)]
            _within([tensor for _, tensor in named], counts[number][1], "a signature's tensor")
        signatures[signature.text(2)] = number
    return Facts(operators, signatures, sum(ops for ops, _ in counts))


def prefixes(content: bytes) -> Iterator[bytes]:
    """The file cut behind each op of its first graph, without signatures; what has been computed and is not used yet are the outputs.

    Args:
        content: A file that `verify` has passed.

    Yields:
        A file of the first op, of the first two, and so on.
    """
    data = memoryview(content)
    model = Table(data, _number(data, "<I", 0))
    graph = model.tables(_SUBGRAPHS)[0]
    operators = graph.tables(_OPERATORS)
    wanted = set(graph.integers(_OUTPUTS))
    used: Set[int] = set()
    made: List[int] = []
    for count, operator in enumerate(operators, 1):
        used.update(operator.integers(1))
        made += operator.integers(2)
        outputs = [tensor for tensor in made if tensor in wanted or tensor not in used]
        cut = bytearray(content) + bytes(-len(content) % 4)
        place = graph.place(_OUTPUTS, 4)
        struct.pack_into("<I", cut, place, len(cut) - place)
        struct.pack_into("<I", cut, graph.list(_OPERATORS, 4)[0] - 4, count)
        if model.place(_SIGNATURES, 4):
            struct.pack_into("<I", cut, model.list(_SIGNATURES, 4)[0] - 4, 0)
        yield bytes(cut) + struct.pack(f"<{1 + len(outputs)}i", len(outputs), *outputs)


def _buffer(buffer: Table, data: memoryview) -> memoryview:
    """The bytes of a buffer, in the flatbuffer or after it."""
    start, size = buffer.list(0, 1)
    offset, outside = buffer.number(1, "<Q"), buffer.number(2, "<Q")
    if offset > 1:
        start, size = offset, outside
        if start + size > len(data):
            raise _DamageError("a buffer reaches beyond the file")
    return data[start : start + size]


def _subgraph(subgraph: Table, codes: Sequence[int], buffers: Sequence[memoryview]) -> Tuple[int, int]:
    """Checks one graph; its numbers of ops and tensors."""
    subgraph.text(4)
    tensors = [_tensor(tensor, buffers) for tensor in subgraph.tables(_TENSORS)]
    for field in (_INPUTS, _OUTPUTS):
        _within(subgraph.integers(field), len(tensors), "an input or output")
    operators = subgraph.tables(_OPERATORS)
    for operator in operators:
        _operator(operator, codes, tensors)
    return len(operators), len(tensors)


def _operator(operator: Table, codes: Sequence[int], tensors: Sequence[kernels.Tensor]) -> None:
    number = operator.number(0, "<I")
    _within([number], len(codes), "an op's kind")
    inputs, outputs = operator.integers(1), operator.integers(2)
    for indices, least in ((inputs, _OPTIONAL), (outputs, 0), (operator.integers(8), _OPTIONAL)):
        _within(indices, len(tensors), "an op's tensor", least)
    operator.list(5, 1)
    operator.table(12)
    taken = [None if index == _OPTIONAL else tensors[index] for index in inputs]
    reason = kernels.complaint(codes[number], operator.number(3, "<B"), operator.table(4), taken, [tensors[index] for index in outputs])
    if reason:
        raise _DamageError(reason)


def _tensor(tensor: Table, buffers: Sequence[memoryview]) -> kernels.Tensor:
    number = tensor.number(2, "<I")
    _within([number], len(buffers), "a tensor's buffer")
    tensor.text(3)
    if tensor.table(6):
        raise _DamageError("a sparse constant, which kvision does not make")
    shape = tensor.integers(0)
    count = 1
    for size in shape:
        if size < 0:
            raise _DamageError(f"a tensor of shape {list(shape)}")
        count *= size
    kind = tensor.number(1, "<b")
    bits = _BITS.get(kind)
    if count * (bits or 8) > 8 * _LARGEST_BYTES:
        raise _DamageError(f"a tensor of shape {list(shape)}")
    scales: Tuple[float, ...] = ()
    for quantization in tensor.table(4):
        scales = _quantization(quantization, shape, _ZEROS.get(kind))
    constant = buffers[number]
    packed = 0 if bits is None else (count * bits + 7) // 8
    if constant and bits is not None and len(constant) < packed:
        raise _DamageError(f"a constant of {len(constant)} bytes where its shape {list(shape)} needs {packed}")
    open_shape = tensor.integers(7) or shape
    if len(open_shape) != len(shape) or any(size not in (-1, now) for size, now in zip(open_shape, shape)):
        raise _DamageError(f"a tensor of shape {list(shape)} that says {list(open_shape)} of itself")
    values = struct.unpack_from(f"<{count}i", constant) if constant and kind == _INT32 and count <= _MOST_SIZES else ()
    return kernels.Tensor(open_shape, kind, scales, values)


def _quantization(quantization: Table, shape: Sequence[int], zero_range: Optional[Tuple[int, int]]) -> Tuple[float, ...]:
    """The scales: one and a zero point for the whole tensor, or for each index of one dimension."""
    steps, (_, zeros) = quantization.values(2, "f"), quantization.list(3, 8)
    for scale in steps:
        if not _SCALES[0] < scale < _SCALES[1]:
            raise _DamageError(f"a quantization step of {scale:g}")
    for zero in quantization.values(3, "q"):
        if zero_range is not None and not zero_range[0] <= zero <= zero_range[1]:
            raise _DamageError(f"a zero point of {zero}")
    quantization.list(0, 4)
    quantization.list(1, 4)
    quantization.table(5)
    axis = quantization.number(6, "<i")
    scales = len(steps)
    if scales > 1 and not (0 <= axis < len(shape) and shape[axis] == scales):
        raise _DamageError(f"{scales} scales along dimension {axis} of a tensor of shape {list(shape)}")
    if zeros not in (0, 1, scales):
        raise _DamageError(f"{zeros} zero points for {scales} scales")
    return steps


def _within(indices: Sequence[int], count: int, what: str, least: int = 0) -> None:
    for index in indices:
        if not least <= index < count:
            raise _DamageError(f"{what} is number {index} of {count}")


def _number(data: memoryview, kind: str, at: int) -> int:
    if at < 0 or at + struct.calcsize(kind) > len(data):
        raise _DamageError("an offset leads beyond the file")
    return int(struct.unpack_from(kind, data, at)[0])
