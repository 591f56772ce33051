"""Arrays of a PyTorch checkpoint, read without PyTorch and without running anything that the file says.

A checkpoint is a pickle, and a pickle can name any function to be called. Here it can only name an ordered dictionary and the parts of a tensor;
anything else is refused. Formats: `torch.save` of PyTorch 1.6 and later (a zip archive) and of earlier ones (pickles, then the storages' bytes).
"""

from __future__ import annotations

import collections
import io
import pickle
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kvision.core.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BoolStorage": "|b1"} | {
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
}


@dataclass(frozen=True)
class _Storage:
    """A row of numbers that lies elsewhere in the file."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


# In Python, not in C: the one in C takes memory for as many remembered objects as a hostile file claims to have.
class _Unpickler(pickle._Unpickler):
    """Makes dictionaries, lists, numbers and strings, and views of storages; refuses every other name, and to change what was made."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle calls `module.name`."""
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of a tensor")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that a tensor names."""
        match pid:
            case ("storage", str(code), str(key), _, int(count), *_) if count >= 0 and code in _STORAGES.values():
                return _Storage(key, np.dtype(code), count)
        raise pickle.UnpicklingError("it names something by an identifier that is no storage")

    def load_build(self) -> None:
        """Attributes of what lies on the stack: PyTorch gives some to dictionaries, which are not needed; a checked view must stay as it is."""
        self.stack.pop()
        if type(self.stack[-1]) is not collections.OrderedDict:
            raise pickle.UnpicklingError("it changes something else than a dictionary")

    dispatch[pickle.BUILD[0]] = load_build


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dictionary.

    Args:
        path: A `.pth` or `.pt` file.

    Returns:
        Arrays by the names that PyTorch gave them.

    Raises:
        RunError: If the file can't be read, is damaged, holds something else, or names anything but parts of tensors.
    """
    try:
        found, values = _archive(path) if zipfile.is_zipfile(path) else _legacy(path)
        return {name: _array(tensor, values) for name, tensor in found.items()}
    except OSError as error:
        raise RunError(f"{path} can't be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        said = str(error) or type(error).__name__
        raise RunError(
            f"{path} is no PyTorch checkpoint that kvision reads: {said}; download it again, or save the model's state_dict() anew"
        ) from error


def _archive(path: Path) -> tuple[Any, Mapping[str, np.ndarray]]:
    """`NAME/data.pkl`, and the storages as `NAME/data/KEY`; stored, as PyTorch does it, so that no file is larger than it looks."""
    with zipfile.ZipFile(path) as archive:
        packed = [each.filename for each in archive.infolist() if each.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise pickle.UnpicklingError(f"{packed[0]} in it is compressed")
        (main,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        unpickler = _Unpickler(io.BytesIO(archive.read(main)))
        found, root = unpickler.load(), main.removesuffix("data.pkl")
        storages = _storages(found)
        return found, {key: _numbers(archive.read(f"{root}data/{key}"), storage) for key, storage in storages.items()}


def _legacy(path: Path) -> tuple[Any, Mapping[str, np.ndarray]]:
    """Pickles of a magic number, the protocol, facts of the machine, the object and the storages' keys; then each storage: its length, its bytes."""
    file = io.BytesIO(path.read_bytes())
    magic, protocol, machine = (_Unpickler(file).load() for _ in range(3))
    if (magic, protocol, machine["little_endian"]) != (_MAGIC, _PROTOCOL, True):
        raise pickle.UnpicklingError("it does not begin as torch.save begins a file")
    found, keys = _Unpickler(file).load(), _Unpickler(file).load()
    storages = _storages(found)
    values = {}
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise pickle.UnpicklingError(f"storage {key} has {count} numbers where {storage.count} were told")
        values[key] = _numbers(file.read(count * storage.dtype.itemsize), storage)
    return found, values


def _storages(found: Any) -> dict[str, _Storage]:
    """The storages of a state dictionary's tensors by their keys."""
    if not isinstance(found, dict) or not all(isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in found.items()):
        raise pickle.UnpicklingError("it holds something else than tensors by name (a `state_dict`)")
    storages: dict[str, _Storage] = {}
    for tensor in found.values():
        if storages.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise pickle.UnpicklingError(f"storage {tensor.storage.key} is told of in two ways")
    return storages


def _numbers(data: bytes, storage: _Storage) -> np.ndarray:
    """The numbers of a storage; both formats write them one after the other."""
    if len(data) != storage.count * storage.dtype.itemsize:
        raise pickle.UnpicklingError(f"storage {storage.key} has {len(data)} bytes where {storage.count} numbers were told: the file is cut short")
    return np.frombuffer(data, storage.dtype)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """`torch._utils._rebuild_tensor_v2`, checked: nothing outside of the storage, and no number twice."""
    whole = isinstance(storage, _Storage) and all(isinstance(each, int) and each >= 0 for each in (offset, *shape, *strides))
    if not whole or len(shape) != len(strides):
        raise pickle.UnpicklingError("a tensor in it is no view of a storage")
    count = int(np.prod(shape, dtype=object))
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if count else 0
    if count > storage.count or (count and last >= storage.count):
        raise pickle.UnpicklingError(f"a tensor in it of shape {list(shape)} reaches outside of its storage of {storage.count} numbers")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: Any, *_: Any) -> Any:
    """`torch._utils._rebuild_parameter`."""
    return tensor


def _array(tensor: _Tensor, values: Mapping[str, np.ndarray]) -> np.ndarray:
    storage = values[tensor.storage.key][tensor.offset :]
    view: Callable[..., np.ndarray] = np.lib.stride_tricks.as_strided
    return np.array(view(storage, tensor.shape, [stride * storage.itemsize for stride in tensor.strides]))
