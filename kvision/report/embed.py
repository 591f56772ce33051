"""Pictures inside a page, as data URIs that stay within a budget of bytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

_QUALITIES = ((1600, 90), (1200, 85), (800, 80), (480, 70), (320, 50), (160, 40))


def data_uri(path: Path, budget: int) -> str:
    """A picture as a data URI.

    A PNG that fits is taken as it is; a larger one becomes a JPEG, scaled down until it fits.

    Args:
        path: The picture.
        budget: Most bytes of the file before base64, which adds a third.

    Returns:
        `data:image/...;base64,...`; empty if the file can't be read or can't be made small enough.
    """
    try:
        content = path.read_bytes()
        if len(content) <= budget:
            return _uri("png" if content.startswith(b"\x89PNG") else "jpeg", content)
        with Image.open(io.BytesIO(content)) as picture:
            full = picture.convert("RGB")
    except (OSError, ValueError):
        return ""
    for side, quality in _QUALITIES:
        small = full.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= budget:
            return _uri("jpeg", buffer.getvalue())
    return ""


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
