"""What a frozen body says of pictures, computed once: kept on disk for every later head, training and number of examples.

The key is what counts, the body and the picture that it is shown, and neither their names nor their files. So a picture that has changed, another
size or other colours are computed anew, and a training on some of the same pictures finds theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.core import disk_cache, paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import keras

_KEY_BYTES = 16


class Features:
    """The features of pictures by one body, from the disk where they are known.

    Args:
        body: Normalised images `[B, S, S, 3]` to features `[B, D]`; its weights must not change any more.
    """

    def __init__(self, body: keras.Model) -> None:
        signature = [tf.TensorSpec((None, *body.input_shape[1:]), tf.float32)]
        self._body = tf.function(lambda images: tf.cast(body(images, training=False), tf.float32), input_signature=signature)
        self._file = paths.cache_folder("features") / f"{self._identity(body)}.npz"
        self._known = _read(self._file)
        self._computed = 0

    def of(self, images: np.ndarray) -> np.ndarray:
        """Features `[B, D]` of images float32 `[B, S, S, 3]`."""
        keys = [hashlib.blake2b(image.tobytes(), digest_size=_KEY_BYTES).digest() for image in images]
        missing = [row for row, key in enumerate(keys) if key not in self._known]
        if missing:
            self._known |= zip([keys[row] for row in missing], self._body(images[missing]).numpy(), strict=True)
            self._computed += len(missing)
        return np.stack([self._known[key] for key in keys])

    def of_all(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """Features `[N, D]` of batches of images; what had to be computed is kept."""
        found = np.concatenate([self.of(images) for images in batches])
        if self._computed:
            _write(self._file, _read(self._file) | self._known)  # another process may have kept some meanwhile
            self._computed = 0
        return found

    def _identity(self, body: keras.Model) -> str:
        """Of the weights, and of what the body says of one picture of noise, which stands for its layers and precision."""
        digest = hashlib.sha256()
        noise = np.random.default_rng(0).normal(size=(1, *body.input_shape[1:])).astype(np.float32)
        for array in (*body.get_weights(), self._body(noise).numpy()):
            digest.update(array.tobytes())
        return digest.hexdigest()[:32]


def _read(file: Path) -> dict[bytes, np.ndarray]:
    """What is kept; nothing of a file that is not there or damaged."""
    # A damaged archive can fail in any way, and numpy does not close a file of that kind that it opened itself.
    with contextlib.suppress(Exception), file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        disk_cache.used(file)
        return dict(zip(map(bytes, arrays["keys"]), arrays["features"], strict=True))
    return {}


def _write(file: Path, known: dict[bytes, np.ndarray]) -> None:
    with contextlib.suppress(OSError):  # a cache that can't be written costs time, nothing else
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.npz")
        np.savez(part, keys=np.frombuffer(b"".join(known), np.uint8).reshape(-1, _KEY_BYTES), features=np.stack(list(known.values())))
        part.replace(file)
        disk_cache.shrink(keep=file)
