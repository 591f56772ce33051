"""What can be predicted: picture files, folders, globs, arrays, cameras and videos, as one stream of named pictures."""

from __future__ import annotations

import glob
import importlib
import itertools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Mapping, Optional, Sequence, TypeVar, Union

import numpy as np

from kvision_edge import pictures
from kvision_edge.errors import PictureError, RunnerError, UsageError

if TYPE_CHECKING:
    from kvision_edge.model import Given

VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
ARRAYS, ARRAY = ".npz", ".npy"
CAMERA = "camera:"
_LAST_FRAME_S = 2.0
"""Longest wait for a camera's last frame."""
_WILD = "*?["

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One thing to predict.

    Attributes:
        name: For people, and for the files of its answer.
        source: A file, or pixels uint8 `[H, W, 3]`.
    """

    name: str
    source: Union[Path, np.ndarray]

    def read(self) -> Given:
        """What `Model.predict` takes; PictureError if it can't be read."""
        if isinstance(self.source, Path) and self.source.suffix in (ARRAYS, ARRAY):
            try:
                return _arrays(self.source)
            except Exception as error:  # zip, header and size can each be wrong in many ways
                raise PictureError(f"{self.source}: can't be read as {self.source.suffix} ({error})") from error
        return self.source


def _arrays(path: Path) -> Union[np.ndarray, Mapping[str, np.ndarray]]:
    """The arrays of an `.npz` by name, or the one of an `.npy`."""
    if path.suffix == ARRAY:
        one: np.ndarray = np.load(str(path), allow_pickle=False)
        return one
    with np.load(str(path), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def items(inputs: Sequence[str]) -> Iterator[Item]:
    """All that the user's arguments stand for, in their order; folders and globs sorted.

    Args:
        inputs: Files, folders (searched through), globs, videos, and `camera:N`.

    Yields:
        One item after the other; a camera's without end.

    Raises:
        UsageError: If one of them does not exist, or holds no picture.
        RunnerError: If OpenCV is needed and not installed, or a camera or a video can't be opened.
    """
    if not inputs:
        raise UsageError("no input; give pictures, folders, globs, a video or camera:0")
    for given, found in [(given, files(given)) for given in inputs]:  # faults of any argument come before the first prediction
        if found is None:
            yield from _filmed(given)
        else:
            yield from (Item(str(path), path) for path in found)


def files(given: str) -> Optional[List[Path]]:
    """The files that one argument stands for; none where it is a camera or a video; UsageError where there are none."""
    path = Path(given)
    if given.startswith(CAMERA):
        if not given[len(CAMERA) :].isdigit():
            raise UsageError(f"{given}: cameras are camera:0, camera:1 ...")
        return None
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.suffix.lower() in pictures.SUFFIXES and each.is_file())
        if not found:
            raise UsageError(f"{given}: no pictures in this folder; looked for {', '.join(sorted(pictures.SUFFIXES))}, in sub-folders, too")
        return found
    if path.exists():
        return None if path.suffix.lower() in VIDEOS else [path]
    if any(sign in given for sign in _WILD):
        found = sorted(Path(each) for each in glob.glob(given, recursive=True) if Path(each).is_file())  # noqa: PTH207 - absolute paths, too
        if not found:
            raise UsageError(f"{given}: no file matches; ** goes through sub-folders")
        return found
    raise UsageError(f"{given}: no such file or folder; give pictures, folders, globs, a video or camera:0")


class Latest(Iterator[T]):
    """The newest of what a source gives: it is read in a thread of its own, and what comes too fast is dropped. Two buffers, no growing delay.

    Args:
        source: Such as a camera's frames.
    """

    def __init__(self, source: Iterable[T]) -> None:
        self._changed = threading.Condition()
        self._newest: List[T] = []
        self._ended = False
        self._error: Optional[BaseException] = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._read, args=(iter(source),), name="capture", daemon=True)
        self._thread.start()

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._newest) or self._ended)
            if self._newest:
                return self._newest.pop()
            if self._error is not None:
                raise self._error
            raise StopIteration

    def close(self) -> None:
        """Stops reading; waits for the frame that is being read, so that its source may be closed."""
        with self._changed:
            self._ended = True
        self._thread.join(_LAST_FRAME_S)

    def _read(self, source: Iterator[T]) -> None:
        try:
            for each in source:
                with self._changed:
                    if self._ended:
                        return
                    self.dropped += len(self._newest)
                    self._newest[:] = [each]
                    self._changed.notify()
        except Exception as error:  # given on to the thread that asks for the next one
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()


def _filmed(given: str) -> Iterator[Item]:
    """Frames of a video, all of them, or of a camera, the newest."""
    cv2 = _opencv(given)
    camera = given.startswith(CAMERA)
    opened = cv2.VideoCapture(int(given[len(CAMERA) :]) if camera else given)
    try:
        if not opened.isOpened():
            raise RunnerError(f"{given}: OpenCV can't open it; {'is the camera connected, and free?' if camera else 'is it a video?'}")
        frames = _frames(given, opened)
        if not camera:
            yield from frames
            return
        newest = Latest(frames)
        try:
            yield from newest
        finally:
            newest.close()
    finally:
        opened.release()


def _frames(name: str, opened: Any) -> Iterator[Item]:
    """All frames of an opened video or camera; OpenCV gives blue first."""
    stem = Path(name).stem.replace(":", "-")
    for number in itertools.count():
        ok, frame = opened.read()
        if not ok:
            return
        yield Item(f"{stem}-{number:06d}", np.ascontiguousarray(frame[:, :, ::-1]))


def _opencv(given: str) -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise RunnerError(f"{given}: cameras and videos need OpenCV; `pip install opencv-python-headless`, or give a folder of frames") from error
