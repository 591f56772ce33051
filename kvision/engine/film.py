"""Films of what an agent did: animated GIF by Pillow, which is always there, and MP4 where imageio-ffmpeg is installed."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np

LONGEST_PX = 400
"""Longest side of a frame; larger ones are reduced, smaller ones enlarged by a whole factor."""
MOST = 2000
"""Frames of a film; of a longer one every second is left out, as often as need be, and the others are shown for longer."""
COLOURS = 128
"""Of a GIF's frame."""
_FASTEST_MS = 20
"""Below this, viewers show GIFs slowly."""


def has_mp4() -> bool:
    """Whether films are written as MP4, too."""
    return importlib.util.find_spec("imageio_ffmpeg") is not None


@dataclass(frozen=True)
class Film:
    """Frames in time.

    Attributes:
        frames: RGB, all of one size, with even sides.
        fps: Frames a second.
    """

    frames: Sequence[Image.Image]
    fps: float

    def save(self, stem: Path) -> dict[str, str]:
        """Writes it.

        Args:
            stem: Path without suffix; the folder exists.

        Returns:
            Names of the files by kind: `gif`, and `mp4` if it could be written.
        """
        names = {"gif": f"{stem.name}.gif"}
        first, *others = [frame.quantize(COLOURS) for frame in self.frames]
        first.save(stem.with_name(names["gif"]), save_all=True, append_images=others, duration=max(_FASTEST_MS, round(1000 / self.fps)), loop=0)
        if has_mp4():
            names["mp4"] = f"{stem.name}.mp4"
            self._save_mp4(stem.with_name(names["mp4"]))
        return names

    def _save_mp4(self, path: Path) -> None:
        width, height = self.frames[0].size
        given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(self.fps), "-i", "-"]
        ffmpeg = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
        command = [ffmpeg, "-y", "-loglevel", "error", *given, "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            for frame in self.frames:
                process.stdin.write(frame.tobytes())  # type: ignore[union-attr]


def of(frames: Iterable[np.ndarray], fps: float) -> Film:
    """A film.

    Args:
        frames: uint8 `[H, W, 3]`, all of one size, at least one; taken one after the other, so that they need not all be there at once.
        fps: Frames a second.

    Returns:
        It, small enough to be sent around.
    """
    kept: list[Image.Image] = []
    stride = 1
    for number, frame in enumerate(frames):
        if number % stride == 0:
            kept.append(_fitted(Image.fromarray(frame)))
        if len(kept) > MOST:
            kept, stride = kept[::2], 2 * stride
    return Film(kept, fps / stride)


def _fitted(picture: Image.Image) -> Image.Image:
    """The picture in the size of a film."""
    longest = max(picture.size)
    scale = LONGEST_PX // longest if longest <= LONGEST_PX else LONGEST_PX / longest
    width, height = (max(2, round(side * scale) // 2 * 2) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BILINEAR)
