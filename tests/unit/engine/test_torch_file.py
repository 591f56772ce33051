"""PyTorch checkpoints without PyTorch: both formats, views, and files that want something else than numbers."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kvision.core.errors import RunError
from kvision.engine import torch_file

VALUES = np.arange(24, dtype=np.float32)


class Storage:
    """Stands for a storage when pickled, as PyTorch's own pickler has it."""

    def __init__(self, key: str, kind: str = "FloatStorage", count: int = 24) -> None:
        self.key, self.kind, self.count = key, kind, count


class View:
    """Pickles as PyTorch's tensors do."""

    def __init__(self, storage: Any, offset: Any = 0, shape: Any = (24,), strides: Any = (1,)) -> None:
        self.args = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.args


class Changed(View):
    """Fits its storage at first, and is changed then."""

    def __reduce__(self) -> tuple[Any, ...]:
        return *super().__reduce__(), {"shape": (2**20,), "strides": (1,)}


class Pickler(pickle.Pickler):
    """Names storages by identifiers."""

    legacy = False

    def persistent_id(self, thing: Any) -> Any:
        if not isinstance(thing, Storage):
            return None
        kind = getattr(sys.modules["torch"], thing.kind)
        return ("storage", kind, thing.key, "cpu", thing.count, *([None] if self.legacy else []))


@pytest.fixture(autouse=True)
def torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules `torch` and `torch._utils` that hold nothing but the names that checkpoints contain."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage", "HalfStorage", "ComplexFloatStorage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_: Any) -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    inner._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)


def pickled(thing: Any, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    pickler = Pickler(file, protocol=2)
    pickler.legacy = legacy
    pickler.dump(thing)
    return file.getvalue()


def archive(path: Path, data: bytes, storages: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("model/data.pkl", data)
        for key, content in storages.items():
            file.writestr(f"model/data/{key}", content)
    return path


def legacy(path: Path, data: bytes, storages: dict[str, np.ndarray], magic: int = 0x1950A86A20F9469CFC6C) -> Path:
    parts = [pickle.dumps(each, 2) for each in (magic, 1001, {"little_endian": True})]
    tails = [struct.pack("<q", values.size) + values.tobytes() for values in storages.values()]
    path.write_bytes(b"".join([*parts, data, pickle.dumps(list(storages), 2), *tails]))
    return path


class Dictionary(collections.OrderedDict):
    """Pickles as PyTorch's state dictionaries do, with an attribute."""

    def __reduce__(self) -> tuple[Any, ...]:
        return collections.OrderedDict, (), {"_metadata": {"": {"version": 1}}}, None, iter(self.items())


STATE = Dictionary(
    whole=View(Storage("0"), 0, (2, 3, 4), (12, 4, 1)),
    turned=View(Storage("0"), 4, (3, 2), (1, 3)),
    steps=View(Storage("1", "LongStorage", 1), 0, (), ()),
)
RAW = {"0": VALUES, "1": np.array([7], np.int64)}


def check(found: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(found["whole"], VALUES.reshape(2, 3, 4))
    np.testing.assert_array_equal(found["turned"], [[4, 7], [5, 8], [6, 9]])
    assert (found["steps"].shape, found["steps"].dtype, int(found["steps"])) == ((), np.int64, 7)


def test_a_zip_archive_is_read(tmp_path: Path) -> None:
    check(torch_file.read(archive(tmp_path / "a.pt", pickled(STATE), {key: value.tobytes() for key, value in RAW.items()})))


def test_a_legacy_file_is_read(tmp_path: Path) -> None:
    check(torch_file.read(legacy(tmp_path / "a.pth", pickled(STATE, legacy=True), RAW)))


def said(path: Path) -> str:
    with pytest.raises(RunError) as caught:
        torch_file.read(path)
    return str(caught.value)


class Evil:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path, old: bool) -> None:
    data = pickled({"weight": Evil(tmp_path / "made")})
    path = legacy(tmp_path / "a", data, {}) if old else archive(tmp_path / "a", data, {})
    message = said(path)
    assert f"it names {os.mkdir.__module__}.mkdir, which is no part of a tensor" in message
    assert "save the model's state_dict() anew" in message
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("code", [b"cos\nsystem\n(S'touch made'\ntR.", b"cbuiltins\neval\n(S'1'\ntR.", b"ctorch\nload\n(S'x'\ntR."])
def test_names_outside_the_list_are_refused_by_name(tmp_path: Path, code: bytes) -> None:
    module, name = code[1:].split(b"\n")[:2]
    assert f"it names {module.decode()}.{name.decode()}, which is no part of a tensor" in said(archive(tmp_path / "a", code, {}))


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View(Storage("0"), 20, (5,), (1,)), "shape [5] reaches outside of its storage of 24 numbers"),
        (View(Storage("0"), 0, (2**40,), (0,)), "shape [1099511627776] reaches outside of its storage"),
        (View(Storage("0"), 0, (4, 4), (8, 1)), "shape [4, 4] reaches outside"),
        (View(Storage("0"), -1, (2,), (1,)), "is no view of a storage"),
        (View(Storage("0"), 0, (2, 2), (1,)), "is no view of a storage"),
        (Changed(Storage("0")), "it changes something else than a dictionary"),
        (View([1.0], 0, (1,), (1,)), "is no view of a storage"),
        (View(Storage("0", "ComplexFloatStorage")), "it names torch.ComplexFloatStorage"),
        (View(Storage("0", count=23), 0, (23,)), "96 bytes where 23 numbers were told"),
        (View(Storage("gone")), "There is no item named 'model/data/gone'"),
    ],
)
def test_views_that_do_not_fit_their_storage_are_refused(tmp_path: Path, view: Any, words: str) -> None:
    assert words in said(archive(tmp_path / "a", pickled({"weight": view}), {"0": VALUES.tobytes()}))


@pytest.mark.parametrize("thing", [3.5, [View(Storage("0"))], {1: View(Storage("0"))}, {"model": {"weight": View(Storage("0"))}}])
def test_something_else_than_a_state_dictionary_is_refused(tmp_path: Path, thing: Any) -> None:
    assert "it holds something else than tensors by name (a `state_dict`)" in said(archive(tmp_path / "a", pickled(thing), {"0": VALUES.tobytes()}))


def test_a_storage_of_two_sizes_is_refused(tmp_path: Path) -> None:
    two = {"a": View(Storage("0", count=10**9), 0, (10**9,), (1,)), "b": View(Storage("0"))}
    assert "storage 0 is told of in two ways" in said(archive(tmp_path / "a", pickled(two), {"0": VALUES.tobytes()}))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = legacy(tmp_path / "a", pickled(STATE, legacy=True), RAW).read_bytes()
    for length in (0, 3, 40, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert "is no PyTorch checkpoint that kvision reads" in said(tmp_path / "cut")
    assert "does not begin as torch.save begins a file" in said(legacy(tmp_path / "b", pickled(STATE, legacy=True), RAW, magic=1))
    assert "model/data.pkl in it is compressed" in said(archive(tmp_path / "c", pickled(STATE), {}, zipfile.ZIP_DEFLATED))
    assert "storage 0 has 5 numbers where 24 were told" in said(legacy(tmp_path / "d", pickled(STATE, legacy=True), {"0": VALUES[:5]}))
    # A claim of four thousand million remembered objects takes no memory.
    assert "is no PyTorch checkpoint" in said(archive(tmp_path / "e", b"\x80\x02}r\xff\xff\xff\xff0.", {}))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert said(tmp_path / "none.pth") == f"{tmp_path / 'none.pth'} can't be read: No such file or directory"
