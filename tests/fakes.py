"""Stand-ins for tests: a tiny data set in memory, with every field that a source can give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision.core.schema import DataOptions
from kvision.data.source import DataInfo, Source, SplitName

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf

CLASS_NAMES = ("background", "disc", "square")
PALETTE = ((0, 0, 0), (230, 80, 60), (60, 120, 230))
COLOURS = np.array([[40, 60, 50], [200, 80, 60], [60, 90, 220]], np.uint8)


class FakeSplit:
    """`num` examples of `height` x `width` pixels with one disc and one square each: the picture's colour tells the mask's class."""

    def __init__(self, name: str, num: int, height: int, width: int, corrupt: Collection[int] = (), bad_mask: Collection[int] = ()) -> None:
        self.names = [f"fake/{name}/{index}" for index in range(num)]
        self._corrupt = sorted(corrupt)
        rng = np.random.default_rng([num, height, width, name == "val"])
        examples = [_draw(rng, height, width) for _ in range(num)]
        self._arrays = {field: np.stack([example[field] for example in examples]) for field in examples[0]}
        for index in bad_mask:
            self._arrays["mask"][index, 0, 0] = 99

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        bad = tf.reduce_any(tf.equal(index[..., None], tf.constant(self._corrupt, tf.int64)))
        check = tf.debugging.Assert(tf.logical_not(bad), ["the file ends too early"])
        with tf.control_dependencies([] if check is None else [check]):
            return {field: tf.gather(tf.constant(self._arrays[field]), index) for field in fields}


def _draw(rng: np.random.Generator, height: int, width: int) -> dict[str, np.ndarray]:
    """One example: a disc (class 1, instance 1) in the left half and a square (class 2, instance 2) in the right half."""
    rows, cols = np.mgrid[:height, :width]
    side = min(height, width // 2)
    radius = rng.uniform(0.15, 0.3) * side
    mask = np.zeros([height, width], np.uint8)
    for item, left in ((1, 0), (2, width // 2)):
        y, x = rng.uniform(radius, height - radius), left + rng.uniform(radius, width // 2 - radius)
        dy, dx = rows + 0.5 - y, cols + 0.5 - x
        mask[dy**2 + dx**2 < radius**2 if item == 1 else np.maximum(abs(dy), abs(dx)) < 0.8 * radius] = item
    boxes = [[f(np.nonzero(mask == item)[axis]) + (f is np.max) for f in (np.min, np.max) for axis in (0, 1)] for item in (1, 2)]
    return {
        "image": COLOURS[mask] + rng.integers(0, 8, [height, width, 3], dtype=np.uint8),
        "mask": mask,
        "instances": mask.copy(),
        "boxes": np.array([*boxes, [-1] * 4], np.float32),
        "labels": np.array([1, 2, -1], np.int32),
        "order": np.array([0, 1, -1], np.int32),
        "captions": np.array(["a disc and a square"] * 5, dtype=object),
    }


class FakeSource(Source):
    """A data set of discs and squares; sizes and faults are arguments of the constructor."""

    Options = DataOptions

    def __init__(
        self,
        options: Any = None,
        *,
        seed: int = 0,
        base: Path = Path(),
        num: tuple[int, int] = (24, 10),
        shape: tuple[int, int] = (32, 32),
        **faults: Any,
    ) -> None:
        super().__init__(options, seed=seed, base=base)
        self._num, self._shape, self._faults = num, shape, faults
        self.reads: list[str] = []

    @property
    def info(self) -> DataInfo:
        fields = frozenset({"image", "mask", "instances", "boxes", "labels", "order", "captions"})
        return DataInfo(CLASS_NAMES, PALETTE, fields)

    def split(self, name: SplitName) -> FakeSplit:
        self.reads.append(name)
        return FakeSplit(name, self._num[name == "val"], *self._shape, **(self._faults if name == "train" else {}))
