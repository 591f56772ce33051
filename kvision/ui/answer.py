"""What a bundle says of a picture, computed by the runtime for devices: no TensorFlow, and the very files that are shipped."""

from __future__ import annotations

import base64
import functools
import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

import kvision_edge
from kvision_edge import manifest
from kvision_edge.errors import PictureError

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_edge.model import Model

MOST_BYTES = 32 << 20
"""Largest picture file that is read."""
MOST_PIXELS = 64_000_000
"""Of a picture; its file may be much smaller than what it unpacks into."""
SHOWN_PX = 1280
"""Longest side of the pictures that are sent back."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
_INTERPRETER = "ai-edge-litert"
_OPEN = 2


@dataclass(frozen=True)
class Answer:
    """What is shown.

    Attributes:
        size: Width and height of the picture, pixels.
        ms: Of the network and of what its answer is made with, on this machine.
        given: The picture, as a data URI.
        drawn: Pictures of the answer, likewise, by name.
        shares: Label, probability or share of the picture, and the label's colour in the pictures of the answer, empty where it has none; the
            greatest first; none at all where the task has none.
        text: The answer in words.
    """

    size: tuple[int, int]
    ms: float
    given: str
    drawn: dict[str, str]
    shares: tuple[tuple[str, float, str], ...]
    text: str


def answer(folder: Path, format_name: str, content: bytes) -> Answer:
    """Asks a bundle.

    Args:
        folder: The bundle.
        format_name: Which of its files, such as `tflite-int8-full`.
        content: A picture file.

    Returns:
        The answer.

    Raises:
        PictureError: If it is no picture, or too large.
        EdgeError: If the bundle can't be used.
    """
    _measure(content)
    model = _model(folder, format_name, (folder / manifest.NAME).stat().st_mtime_ns)
    prepared = model.prepare(content)
    began = time.perf_counter()
    found = model.decode(model.infer(prepared), prepared)
    ms = 1000 * (time.perf_counter() - began)
    if prepared.frame is None:
        raise PictureError(f"{model.manifest.name} takes no pictures")
    image = prepared.frame.image
    drawn = {name: _uri(picture) for name, picture in found.pictures(image).items()}
    shares = _shares(found.to_json(), model.manifest)
    return Answer((image.shape[1], image.shape[0]), ms, _uri(Image.fromarray(image)), drawn, shares, found.text())


def _measure(content: bytes) -> None:
    """Refuses what is no picture, and what would unpack into too much, before it is unpacked."""
    accepted = f"accepted are {', '.join(FORMATS)} of at most {MOST_PIXELS // 10**6} million pixels"
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            width, height = opened.size
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture is far too large ({error}); {accepted}: shrink or cut it first") from error
    except Exception as error:  # Pillow's parsers let nearly anything through on damaged files
        raise PictureError(f"a file of {len(content):,} bytes that is no picture which can be read; {accepted}") from error
    if width * height > MOST_PIXELS:
        raise PictureError(f"the picture has {width} x {height} pixels; {accepted}: shrink or cut it first")


@functools.lru_cache(maxsize=_OPEN)
def _model(folder: Path, format_name: str, changed: int) -> Model:
    """The last models stay open; one whose bundle was exported again is opened anew."""
    del changed
    return kvision_edge.load(folder, format=format_name, interpreter=_INTERPRETER)


def _shares(found: dict[str, Any], about: manifest.Manifest) -> tuple[tuple[str, float, str], ...]:
    if found["task"] == "classification":
        return tuple((row["label"], row["probability"], "") for row in found["classes"])
    if found["task"] == "segmentation":
        colours = {label: f"rgb({', '.join(map(str, colour))})" for label, colour in zip(about.labels, about.colours, strict=True)}
        return tuple((label, share, colours[label]) for label, share in sorted(found["classes"].items(), key=lambda item: -item[1]))
    return ()


def _uri(picture: Image.Image) -> str:
    """PNG for masks, whose colours are exact; JPEG for the others."""
    exact = picture.mode == "P"
    picture.thumbnail((SHOWN_PX, SHOWN_PX), Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "PNG" if exact else "JPEG", quality=90)
    return f"data:image/{'png' if exact else 'jpeg'};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
