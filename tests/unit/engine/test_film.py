"""Films show the frames that they were made of, as long as they lasted."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kvision.engine import film

if TYPE_CHECKING:
    from pathlib import Path


def grey(level: int, height: int = 10, width: int = 21) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_a_gif_shows_each_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "has_mp4", lambda: False)
    made = film.of((grey(level) for level in (0, 120, 240)), fps=10)
    assert made.save(tmp_path / "episode-1") == {"gif": "episode-1.gif"}
    with Image.open(tmp_path / "episode-1.gif") as found:
        assert (found.n_frames, found.size, found.info["duration"], found.info["loop"]) == (3, (398, 190), 100, 0)
        found.seek(1)
        assert found.convert("L").getpixel((5, 5)) == 120
    assert [path.name for path in tmp_path.iterdir()] == ["episode-1.gif"]


def test_an_mp4_shows_each_frame(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is an extra, and not installed here").get_ffmpeg_exe()
    made = film.of([grey(level, 300, 801) for level in (0, 120, 240)], fps=25)
    assert made.save(tmp_path / "episode") == {"gif": "episode.gif", "mp4": "episode.mp4"}
    command = [ffmpeg, "-loglevel", "error", "-i", str(tmp_path / "episode.mp4"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    frames = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8).reshape(-1, 150, 400, 3)
    np.testing.assert_allclose(frames.mean((1, 2, 3)), [0, 120, 240], atol=4)


def test_a_long_film_is_thinned_and_lasts_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MOST", 4)
    made = film.of((grey(level) for level in range(16)), fps=16)
    assert [frame.getpixel((0, 0))[0] for frame in made.frames] == [0, 4, 8, 12]
    assert len(made.frames) / made.fps == 1.0
