"""Between real numbers and what a file stores, by the parameters in the file: real = scale * (stored - zero_point)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

import numpy as np

if TYPE_CHECKING:
    from kvision_edge.manifest import Tensor


def stored(value: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Real numbers in a tensor's own dtype: rounded and clipped where it is quantized; values already of that dtype are taken as they are."""
    dtype = np.dtype(tensor.dtype)
    if value.dtype == dtype or not tensor.scale:
        return value.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    steps = np.round(value / _along(tensor.scale, tensor, value.ndim)) + _along(tensor.zero_point, tensor, value.ndim)
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def real(value: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Real numbers float32 of a tensor's own; whole numbers that are not quantized stay as they are."""
    if not tensor.scale:
        return value.astype(np.float32, copy=False) if value.dtype.kind == "f" else value
    steps = value.astype(np.float32)
    steps -= _along(tensor.zero_point, tensor, value.ndim)
    steps *= _along(tensor.scale, tensor, value.ndim)
    return steps


def _along(values: Sequence[float], tensor: Tensor, rank: int) -> np.ndarray:
    """Parameters of a tensor, shaped to be broadcast along its quantized dimension."""
    array = np.asarray(values, np.float32)
    return array if array.size == 1 else array.reshape([-1 if axis == tensor.axis else 1 for axis in range(rank)])
