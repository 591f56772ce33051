"""Any picture as RGB: grey, palette, transparent, 16 bit, CMYK, turned by EXIF. The rules are those of `kvision predict`."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from PIL import Image, ImageOps

from kvision_edge.errors import PictureError

if TYPE_CHECKING:
    from os import PathLike

    Picture = Union[str, PathLike[str], bytes, Image.Image, np.ndarray]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
"""Endings that are taken for pictures in a folder, in lower case."""
MOST_PIXELS = 178_956_970
"""Pictures of more pixels are refused before they are decoded: a small file can unpack into any amount of memory."""


def rgb(picture: Picture) -> np.ndarray:
    """Reads one picture; of an animation, the first frame; transparency is dropped, as the training's decoders do.

    Args:
        picture: A path, the bytes of a file, a PIL image, or pixels uint8 `[H, W, 3]` or `[H, W]`.

    Returns:
        uint8 `[H, W, 3]`, upright.

    Raises:
        PictureError: If it is missing, empty, truncated, no picture, or far too large.
    """
    if isinstance(picture, np.ndarray):
        return _pixels(picture)
    name = named(picture)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF data, and sizes that only near the limit
            if isinstance(picture, Image.Image):
                return _rgb(ImageOps.exif_transpose(picture))
            content = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
            if not content:
                raise PictureError(f"{name}: is empty (0 bytes)")
            with Image.open(io.BytesIO(content)) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise PictureError(f"{name}: is far too large ({opened.width}x{opened.height} pixels); shrink or cut it first")
                deep_png = opened.format == "PNG" and opened.mode.startswith("I")
                upright = ImageOps.exif_transpose(opened)
                return _high_bytes(upright) if deep_png else _rgb(upright)
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name}: is far too large ({error}); shrink or cut it first") from error
    except Image.UnidentifiedImageError as error:
        raise PictureError(f"{name}: is not a picture that can be read; use JPEG, PNG, BMP, GIF, WebP or TIFF") from error
    except PictureError:
        raise
    except Exception as error:  # Pillow's parsers let nearly anything through on damaged files
        raise PictureError(f"{name}: can't be read ({error or type(error).__name__})") from error


def named(picture: Picture) -> str:
    """What to call a picture in messages."""
    if isinstance(picture, bytes):
        return f"picture of {len(picture)} bytes"
    return str(picture) if isinstance(picture, (str, Path)) else type(picture).__name__


def _pixels(picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8 or picture.size == 0 or picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise PictureError(f"array of {picture.dtype} {list(picture.shape)}: give uint8 [H, W, 3] (RGB, 0-255) or [H, W] (grey)")
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


def _high_bytes(picture: Image.Image) -> np.ndarray:
    """A grey PNG of 16 bits as TensorFlow reads it, which leaves the lower byte away; the same is done for coloured ones by Pillow itself."""
    grey = (np.asarray(picture).astype(np.int64) >> 8).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture, np.float64)
        highest = 65535.0 if picture.mode != "F" else 1.0 if values.max() <= 1.0 else 255.0
        grey = np.rint(np.clip(values / highest, 0.0, 1.0) * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"))
