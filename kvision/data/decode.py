"""Any picture file as RGB: grey, palette, transparent, 16 bit, CMYK, turned by EXIF. For prediction, where pictures come from anywhere.

What the graph can decode it decodes, so that `kvision predict` and an exported model see the same pixels; Pillow reads the rest, such as TIFF, and
says what is wrong with what nobody can read.
"""

from __future__ import annotations

import functools
import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import tensorflow as tf

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
"""Endings that are taken for pictures in a folder, in lower case."""


def rgb(path: Path) -> np.ndarray:
    """Reads one picture; of an animation, the first frame; transparency is dropped, as the training's decoders do.

    Args:
        path: The file.

    Returns:
        uint8 `[H, W, 3]`, upright.

    Raises:
        DataError: If the file is missing, empty, truncated, no picture, or far too large.
    """
    try:
        data = path.read_bytes()
        if not data:
            raise DataError(f"{path}: is empty (0 bytes)")
        image, ok = _graph()(data)
        if ok:
            return np.asarray(image)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF data, and sizes that only near the limit
            with Image.open(io.BytesIO(data)) as picture:
                return _rgb(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: is far too large ({error}); shrink or cut it first") from error
    except Image.UnidentifiedImageError as error:
        raise DataError(f"{path}: is not a picture that can be read; use JPEG, PNG, BMP, GIF, WebP or TIFF") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(f"{path}: can't be read ({error})") from error


@functools.cache
def _graph() -> Callable[[bytes], tuple[tf.Tensor, tf.Tensor]]:
    import tensorflow as tf

    from kvision.data import encoded

    graph = tf.function(encoded.attempt, input_signature=[tf.TensorSpec([], tf.string)])
    return lambda data: graph(tf.constant(data))


def _rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture, np.float64)
        highest = 65535.0 if picture.mode != "F" else 1.0 if values.max() <= 1.0 else 255.0
        grey = np.rint(np.clip(values / highest, 0.0, 1.0) * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"))
