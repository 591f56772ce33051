"""IDX files, the format of MNIST: a magic number with type and rank, the sizes, the values; gzipped or not.

Reference: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, "File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read(file: Path) -> np.ndarray:
    """Reads an IDX file.

    Args:
        file: The file; it may be gzipped, whatever its name says.

    Returns:
        Its array, of the type and shape that its head says.

    Raises:
        DataError: If the file can't be read, is no IDX file, or is not as long as its head says.
    """
    try:
        data = file.read_bytes()
        data = gzip.decompress(data) if data.startswith(_GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: can't be read ({error}); copy or download it again") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or not 1 <= data[3] <= 4 or len(data) < 4 + 4 * data[3]:
        raise DataError(f"{file}: is no IDX file: it begins with {data[:4]!r}, expected two zero bytes, a type and a rank of 1..4")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    kind = np.dtype(_TYPES[data[2]])
    start, length = 4 + 4 * data[3], math.prod(shape) * kind.itemsize
    if len(data) - start != length:
        raise DataError(
            f"{file}: holds {len(data) - start} bytes of values, its head says {' x '.join(map(str, shape))} of {kind.itemsize}; "
            "copy or download it again"
        )
    return np.frombuffer(data, kind, offset=start).reshape(shape)
