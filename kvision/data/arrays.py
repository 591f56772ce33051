"""A split of pictures and labels in memory, and the arrays that it can be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import DataError
from kvision.data import host, splits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tensorflow as tf


class ArraySplit:
    """Pictures of one size with their labels, read by number in the graph.

    Attributes:
        names: `train/17`: the number is that in the file.
        labels: int32 `[N]`, or uint8 `[N, K]` where an example can be of several classes.
        in_memory: Whether the pipeline reads pictures from here each time; those that must be scaled it had better keep scaled.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, name: str, *, in_memory: bool = True, positions: np.ndarray | None = None) -> None:
        """From images uint8 `[N, H, W]` or `[N, H, W, 3]`; `positions` are their numbers in the file that `name` stands for."""
        self.labels = labels
        self.in_memory = in_memory
        self._name = name
        self._images = images
        self._positions = np.arange(len(images)) if positions is None else positions
        self.names: Sequence[str] = [f"{name}/{position}" for position in self._positions]
        self._tensors: dict[str, tf.Tensor] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: np.ndarray) -> ArraySplit:
        """The examples of these numbers."""
        positions = self._positions[chosen]
        return ArraySplit(self._images[chosen], self.labels[chosen], self._name, in_memory=self.in_memory, positions=positions)

    def listing(self) -> str:
        """`train: 0-4, 7`."""
        return f"{self._name}: {splits.ranges(self._positions)}"

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Example `index` (scalar int64), or those of a vector of numbers: `image` uint8 `[H, W, 3]`, `label` int32, `targets` float32 `[K]`."""
        import tensorflow as tf

        if not self._tensors:
            kind = ("label", np.int32) if self.labels.ndim == 1 else ("targets", np.float32)
            self._tensors = {"image": host.tensor(self._images), kind[0]: host.tensor(self.labels.astype(kind[1]))}
        example = {name: tf.gather(tensor, index) for name, tensor in self._tensors.items() if name in fields}
        if "image" in example and self._images.ndim == 3:
            example["image"] = tf.stack([example["image"]] * 3, axis=-1)
        return example


def pictures(images: np.ndarray, where: str) -> np.ndarray:
    """Makes pictures of an array.

    Args:
        images: `[N, H, W]` or `[N, H, W, C]` with C of 1, 3 or 4 (transparency is dropped): whole numbers 0-255 or uint16, floats 0-1, or bool.
        where: What the array is, for messages.

    Returns:
        uint8 `[N, H, W]` or `[N, H, W, 3]`.

    Raises:
        DataError: If the array is none of these.
    """
    if images.ndim not in {3, 4} or (images.ndim == 4 and images.shape[-1] not in {1, 3, 4}) or 0 in images.shape:
        raise DataError(
            f"{where}: images have the shape {list(images.shape)}; accepted: [N, H, W] or [N, H, W, C] with C of 1, 3 or 4; reshape the array"
        )
    if images.ndim == 4:
        images = images[..., 0] if images.shape[-1] == 1 else images[..., :3]
    if images.dtype == np.uint8:
        return images
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    if images.dtype.kind not in "iuf":
        raise DataError(f"{where}: images are of type {images.dtype}; accepted: uint8, other whole numbers 0..255, uint16, floats 0..1 and bool")
    low, high = images.min(), images.max()
    most = 1.0 if images.dtype.kind == "f" else 65535 if images.dtype == np.uint16 else 255
    if not (low >= 0 and high <= most):
        raise DataError(
            f"{where}: images of type {images.dtype} hold values of {low:g} to {high:g}; accepted: 0..{most:g}; scale them, or store uint8"
        )
    return np.rint(images * (255.0 / most)).astype(np.uint8)


def labels(labels: np.ndarray, count: int, where: str) -> np.ndarray:
    """Checks the labels of `count` examples.

    Args:
        labels: Whole numbers `[N]` or `[N, 1]`, or 0 and 1 `[N, K]` where an example can be of several classes.
        count: N, the number of images.
        where: What the array is, for messages.

    Returns:
        int32 `[N]` or uint8 `[N, K]`.

    Raises:
        DataError: If the array is none of these.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in {1, 2} or len(labels) != count:
        raise DataError(f"{where}: labels have the shape {list(labels.shape)}, images are {count}; accepted: [{count}] or [{count}, K]")
    if labels.dtype.kind not in "iufb" or (labels != np.floor(labels)).any():
        raise DataError(f"{where}: labels are of type {labels.dtype}; accepted: whole numbers from 0 on; name the classes by data.classes")
    if labels.min() < 0 or (labels.ndim == 2 and labels.max() > 1):
        allowed = "0 and 1, as an example is or is not of a class" if labels.ndim == 2 else "0..K-1"
        raise DataError(f"{where}: labels hold values of {labels.min():g} to {labels.max():g}; accepted: {allowed}")
    return labels.astype(np.uint8 if labels.ndim == 2 else np.int32)
