from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from kvision.core.errors import DataError
from kvision.data import idx


def written(array, code):
    """By hand, as the format's page says."""
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + big_endian.tobytes()


@pytest.mark.parametrize(("kind", "code"), [("u1", 0x08), ("i1", 0x09), ("i2", 0x0B), ("i4", 0x0C), ("f4", 0x0D), ("f8", 0x0E)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_type_plain_and_gzipped(tmp_path, kind, code, pack):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    file = tmp_path / "a-idx3"
    file.write_bytes(pack(written(array, code)))
    np.testing.assert_array_equal(idx.read(file), array)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no IDX file: it begins with b''"),
        (b"\x89PNG....", "is no IDX file"),
        (written(np.zeros((2, 3), np.uint8), 8)[:-1], "holds 5 bytes of values, its head says 2 x 3 of 1"),
        (written(np.zeros((2, 3), np.uint8), 8) + b"\0", "holds 7 bytes"),
        (gzip.compress(written(np.zeros((200, 3), np.uint8), 8), mtime=0)[:-9], "can't be read"),
    ],
)
def test_damaged_files(tmp_path, data, words):
    file = tmp_path / "a-idx2"
    file.write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        idx.read(file)
    assert str(file) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none can't be read|none: can't be read"):
        idx.read(tmp_path / "none")
