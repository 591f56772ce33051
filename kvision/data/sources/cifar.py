"""CIFAR-10 and CIFAR-100 as their authors publish them: the binary batches, or those for Python.

Unpack the archive; `path` is the folder with `data_batch_1.bin` (or `data_batch_1`), or with `train.bin` (or `train`) for CIFAR-100. The test
split is the official one; validation examples are drawn from the training ones.

Paper: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files, utf8
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_BATCHES: dict[int, dict[SplitName, tuple[str, ...]]] = {
    10: {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
    100: {"train": ("train",), "test": ("test",)},
}
_ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
    (module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
}
"""All that an array needs to be unpickled."""


class Options(SplitOptions):
    """Where the files lie, and which labels of CIFAR-100."""

    source: Literal["cifar"] = "cifar"
    path: str = Field("cifar-10-batches-bin", description="Folder of the unpacked archive, relative to the recipe's file.")
    labels: Literal["fine", "coarse"] = Field("fine", description="CIFAR-100: the 100 classes or their 20 groups.")
    val_size: int | None = Field(5000, ge=1, le=10**9, description="Validation examples, drawn from the training ones; none: by `val_split`.")


_Options = Options  # inside the source, `Options` is its attribute


class Cifar(LabelledSource):
    """Colour photographs of 32x32 pixels, 10, 20 or 100 classes."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Reads all batches; raises `DataError` that names the file that is missing or damaged."""
        folder = files.folder(self.located(self.options.path), "data.path")
        for count, batches in _BATCHES.items():
            for ending in (".bin", ""):
                if (folder / f"{batches['train'][0]}{ending}").is_file():
                    return self._read(folder, count, ending)
        raise DataError(f"data.path: {folder} holds neither data_batch_1.bin nor data_batch_1 (CIFAR-10), nor train.bin nor train (CIFAR-100)")

    def _read(self, folder: Path, count: int, ending: str) -> Found:
        fine = self.options.labels == "fine"
        pools = {}
        for split, names in _BATCHES[count].items():
            batches = [self._binary(folder / f"{name}.bin", count) if ending else self._python(folder / name, count) for name in names]
            pixels = np.concatenate([pixels for pixels, _ in batches]).reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
            labels = np.concatenate([labels for _, labels in batches]).astype(np.int32)
            pools[split] = self.arrays(np.ascontiguousarray(pixels), labels, split)
        kind = "label" if count == 10 else "fine_label" if fine else "coarse_label"
        names = _text_names(folder, count, kind) if ending else _pickled_names(folder, count, kind)
        highest = max(int(pool.labels.max()) for pool in pools.values())
        if highest >= len(names):
            raise DataError(f"{folder}: holds the label {highest}, but {len(names)} classes; the files don't belong together")
        return Found(pools, names, {"folder": str(folder)})

    def _binary(self, file: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels `[N, 3072]` and labels `[N]`: a record is a byte of label (CIFAR-100: coarse, then fine) and 3072 of pixels."""
        heads = 1 if count == 10 else 2
        data = np.frombuffer(_bytes(file), np.uint8)
        if not len(data) or len(data) % (heads + _PIXELS):
            raise DataError(f"{file}: has {len(data)} bytes, no multiple of {heads + _PIXELS}; copy or download it again")
        records = data.reshape(-1, heads + _PIXELS)
        return records[:, heads:], records[:, 0 if self.options.labels == "coarse" and heads == 2 else heads - 1]

    def _python(self, file: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of a pickled batch."""
        batch = _unpickled(file)
        key = b"labels" if count == 10 else f"{self.options.labels}_labels".encode()
        pixels, labels = batch.get(b"data"), batch.get(key)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_PIXELS,) or len(labels or ()) != len(pixels):
            raise DataError(f"{file}: is no batch of CIFAR-{count}: it needs uint8 data [N, {_PIXELS}] and as many {key.decode()}")
        return pixels, np.array(labels)


# In Python, not in C: the one in C takes memory for as many remembered objects as a hostile file claims to have.
class _Unpickler(pickle._Unpickler):
    """Makes arrays and plain values, and runs nothing else that a file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        """The few callables that an array is made by."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch of CIFAR does")
        return super().find_class(module, name)


def _unpickled(file: Path) -> dict[Any, Any]:
    try:
        with file.open("rb") as stream:
            return _plain(stream, file)
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}") from error


def _plain(stream: BinaryIO, file: Path) -> dict[Any, Any]:
    try:
        content = _Unpickler(stream, encoding="bytes").load()
    except Exception as error:
        # A damaged pickle can fail in any way.
        raise DataError(f"{file}: is no batch of CIFAR: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: is no batch of CIFAR: it holds a {type(content).__name__}")
    return content


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror or error}") from error


def _text_names(folder: Path, count: int, kind: str) -> tuple[str, ...]:
    """Names beside the binary batches; their numbers if the file is missing."""
    file = folder / ("batches.meta.txt" if count == 10 else f"{kind}_names.txt")
    if file.is_file():
        return tuple(utf8.read(file).split())
    return tuple(str(k) for k in range(20 if kind == "coarse_label" else count))


def _pickled_names(folder: Path, count: int, kind: str) -> tuple[str, ...]:
    """Names beside the pickled batches; their numbers if the file is missing."""
    file = folder / ("batches.meta" if count == 10 else "meta")
    if file.is_file():
        names = _unpickled(file).get(f"{kind}_names".encode())
        if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
            raise DataError(f"{file}: holds no list of {kind}_names; copy or download it again")
        return tuple(name.decode(errors="backslashreplace") for name in names)
    return tuple(str(k) for k in range(20 if kind == "coarse_label" else count))
