"""Runs a SavedModel through the C API of the TensorFlow wheel's own library: the loader of TF Serving, without Python's TensorFlow, Keras or kvision.

    python -m kvision_export.saved_model.native MODEL REQUEST.npz OUT.npz [SIGNATURE]

Strings, which `.npz` files can't hold, stand there as two arrays: `NAME` uint8, all bytes one after another, and `NAME.lengths` int64 `[B]`. This
file needs numpy only and works wherever it is copied to.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Field = tuple[int, "int | memoryview"]
"""Number and value of a field of a protocol buffer."""

_STRING = 7
_DTYPES = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    9: np.int64,
    10: np.bool_,
    17: np.uint16,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
}
"""TensorFlow's numbers for dtypes."""
_TAG = b"serve"
_META_GRAPH_SIGNATURES, _INPUTS, _OUTPUTS, _TENSOR_NAME, _TENSOR_DTYPE = 5, 1, 2, 1, 2
"""Numbers of fields of MetaGraphDef, SignatureDef and TensorInfo."""


class NativeError(RuntimeError):
    """TensorFlow's C library is not there, or refused something."""


class _TString(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint8 * 24),)


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("release", ctypes.c_void_p))


class Native:
    """A SavedModel loaded by TensorFlow's C library.

    Args:
        folder: Holds `saved_model.pb`.

    Raises:
        NativeError: If TensorFlow is not installed, or the model can't be loaded.
    """

    def __init__(self, folder: Path | str) -> None:
        self._tf = _library()
        self._status = self._tf.TF_NewStatus()
        self._graph = self._tf.TF_NewGraph()
        options, meta = self._tf.TF_NewSessionOptions(), _Buffer()
        tags = (ctypes.c_char_p * 1)(_TAG)
        where = os.fsencode(folder)
        self._session = self._tf.TF_LoadSessionFromSavedModel(options, None, where, tags, 1, self._graph, ctypes.byref(meta), self._status)
        self._check(f"{folder} can't be loaded")
        self._tf.TF_DeleteSessionOptions(options)
        self.signatures = signatures(ctypes.string_at(meta.data, meta.length))
        """By name: inputs and outputs, each by name the tensor's name in the graph and the number of its dtype."""

    def run(self, inputs: Mapping[str, Any], signature: str = "serving_default") -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            inputs: Arrays by name; strings as lists or arrays of `bytes`.
            signature: Its name.

        Returns:
            Arrays by name; strings as arrays of `bytes` objects.

        Raises:
            NativeError: If there is no such signature, an input is missing or unknown, or the model fails.
        """
        if signature not in self.signatures:
            raise NativeError(f"no signature {signature}; there are {', '.join(sorted(self.signatures))}")
        takes, gives = self.signatures[signature]
        if set(inputs) != set(takes):
            raise NativeError(f"{signature} takes {', '.join(sorted(takes))}; {', '.join(sorted(inputs)) or 'nothing'} was given")
        fed = (ctypes.c_void_p * len(takes))(*(self._tensor(inputs[name], dtype) for name, (_, dtype) in takes.items()))
        found = (ctypes.c_void_p * len(gives))()
        places = [(_Output * len(each))(*(self._output(tensor) for tensor, _ in each.values())) for each in (takes, gives)]
        self._tf.TF_SessionRun(self._session, None, places[0], fed, len(takes), places[1], found, len(gives), None, 0, None, self._status)
        for tensor in fed:
            self._tf.TF_DeleteTensor(tensor)
        self._check(f"{signature} failed")
        return {name: self._array(tensor) for name, tensor in zip(gives, found, strict=True)}

    def close(self) -> None:
        """Frees the model; it can't be used after that."""
        self._tf.TF_CloseSession(self._session, self._status)
        self._tf.TF_DeleteSession(self._session, self._status)
        self._tf.TF_DeleteGraph(self._graph)
        self._tf.TF_DeleteStatus(self._status)

    def _check(self, what: str) -> None:
        if self._tf.TF_GetCode(self._status):
            raise NativeError(f"{what}: {self._tf.TF_Message(self._status).decode(errors='replace')}")

    def _output(self, tensor: str) -> _Output:
        operation, _, index = tensor.partition(":")
        return _Output(self._tf.TF_GraphOperationByName(self._graph, operation.encode()), int(index or 0))

    def _tensor(self, value: Any, dtype: int) -> int:
        """A tensor of TensorFlow's own with a copy of the values."""
        array: np.ndarray = np.asarray(value, object if dtype == _STRING else _DTYPES[dtype])
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        size = array.size * ctypes.sizeof(_TString) if dtype == _STRING else array.nbytes
        tensor: int = self._tf.TF_AllocateTensor(dtype, shape, array.ndim, size)
        data = self._tf.TF_TensorData(tensor)
        if dtype != _STRING:
            ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, size)
            return tensor
        for number, text in enumerate(array.flat):
            place = data + number * ctypes.sizeof(_TString)
            self._tf.TF_StringInit(place)
            self._tf.TF_StringCopy(place, bytes(text), len(text))
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        """A copy of a tensor's values; the tensor is freed."""
        dtype, data = self._tf.TF_TensorType(tensor), self._tf.TF_TensorData(tensor)
        shape = [self._tf.TF_Dim(tensor, axis) for axis in range(self._tf.TF_NumDims(tensor))]
        found: np.ndarray = np.empty(shape, object if dtype == _STRING else _DTYPES[dtype])
        if dtype != _STRING:
            ctypes.memmove(found.ctypes.data, data, found.nbytes)
        else:
            places = [data + number * ctypes.sizeof(_TString) for number in range(found.size)]
            texts = [ctypes.string_at(self._tf.TF_StringGetDataPointer(place), self._tf.TF_StringGetSize(place)) for place in places]
            found.reshape(-1)[:] = texts
        self._tf.TF_DeleteTensor(tensor)
        return found


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a protocol buffer, in order: numbers as int, everything with a length as its bytes.

    Args:
        message: The encoded message.

    Yields:
        Number and value.
    """
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        length = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        yield key >> 3, message[at : at + length]
        at += length


def signatures(meta_graph: bytes) -> dict[str, tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]]:
    """The signatures in an encoded MetaGraphDef.

    Args:
        meta_graph: The message.

    Returns:
        By name: inputs and outputs, each by name the tensor's name in the graph and the number of its dtype; the loader's own left out.
    """

    def entries(message: memoryview, number: int) -> dict[str, memoryview]:
        pairs = [dict(fields(value)) for found, value in fields(message) if found == number and isinstance(value, memoryview)]
        return {bytes(pair[1]).decode(): memoryview(pair[2]) for pair in pairs}  # type: ignore[arg-type]

    def tensors(message: memoryview, number: int) -> dict[str, tuple[str, int]]:
        infos = {name: dict(fields(info)) for name, info in entries(message, number).items()}
        return {name: (bytes(info[_TENSOR_NAME]).decode(), int(info[_TENSOR_DTYPE])) for name, info in sorted(infos.items())}

    found = entries(memoryview(meta_graph), _META_GRAPH_SIGNATURES)
    return {name: (tensors(value, _INPUTS), tensors(value, _OUTPUTS)) for name, value in found.items() if not name.startswith("__")}


def pack(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays as an `.npz` file can hold them: strings as their bytes and their lengths."""
    found: dict[str, np.ndarray] = {}
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype.kind in "OS":
            texts = [bytes(text) for text in np.asarray(value, object).flat]
            found[name] = np.frombuffer(b"".join(texts), np.uint8)
            found[f"{name}.lengths"] = np.array([len(text) for text in texts], np.int64).reshape(np.shape(array))
        else:
            found[name] = array
    return found


def unpack(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The reverse of `pack`."""
    found: dict[str, np.ndarray] = {}
    for name in (name for name in values if not name.endswith(".lengths")):
        found[name] = values[name]
        if f"{name}.lengths" in values:
            lengths = values[f"{name}.lengths"]
            ends, data = np.cumsum(lengths.reshape(-1)), values[name].tobytes()
            texts = np.empty(lengths.size, object)
            texts[:] = [data[end - length : end] for end, length in zip(ends, lengths.reshape(-1), strict=True)]
            found[name] = texts.reshape(lengths.shape)
    return found


def _library() -> Any:
    """TensorFlow's C library, with the types of the functions that are used."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise NativeError("TensorFlow is not installed for this Python; pip install tensorflow")
    folder = Path(next(iter(spec.submodule_search_locations)))
    try:
        # Not RTLD_GLOBAL: the library brings a BoringSSL along, which Python's hashlib must not find instead of its own.
        library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
    except OSError as error:
        raise NativeError(f"{folder} holds no TensorFlow library that can be loaded ({error})") from error
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    types: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "TF_NewStatus": (pointer, ()),
        "TF_GetCode": (number, (pointer,)),
        "TF_Message": (text, (pointer,)),
        "TF_DeleteStatus": (None, (pointer,)),
        "TF_NewGraph": (pointer, ()),
        "TF_DeleteGraph": (None, (pointer,)),
        "TF_NewSessionOptions": (pointer, ()),
        "TF_DeleteSessionOptions": (None, (pointer,)),
        "TF_LoadSessionFromSavedModel": (pointer, (pointer, pointer, text, pointer, number, pointer, pointer, pointer)),
        "TF_SessionRun": (None, (pointer, pointer, pointer, pointer, number, pointer, pointer, number, pointer, number, pointer, pointer)),
        "TF_CloseSession": (None, (pointer, pointer)),
        "TF_DeleteSession": (None, (pointer, pointer)),
        "TF_GraphOperationByName": (pointer, (pointer, text)),
        "TF_AllocateTensor": (pointer, (number, pointer, number, size)),
        "TF_DeleteTensor": (None, (pointer,)),
        "TF_TensorData": (pointer, (pointer,)),
        "TF_TensorType": (number, (pointer,)),
        "TF_NumDims": (number, (pointer,)),
        "TF_Dim": (ctypes.c_int64, (pointer, number)),
        "TF_StringInit": (None, (pointer,)),
        "TF_StringCopy": (None, (pointer, text, size)),
        "TF_StringGetDataPointer": (pointer, (pointer,)),
        "TF_StringGetSize": (size, (pointer,)),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def main(arguments: list[str]) -> int:
    """`MODEL REQUEST.npz OUT.npz [SIGNATURE]`; 2 for a call that can't be understood."""
    if len(arguments) not in (3, 4):
        print("usage: python -m kvision_export.saved_model.native MODEL REQUEST.npz OUT.npz [SIGNATURE]", file=sys.stderr)
        return 2
    with np.load(arguments[1]) as request:
        inputs = unpack(dict(request))
    np.savez(arguments[2], **pack(Native(arguments[0]).run(inputs, *arguments[3:])))  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
