"""From a picture of any size to the network's square, and back: what `kvision.data.preprocess` does in the graph, in numpy and to the last bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Tuple

import numpy as np

from kvision_edge import resize
from kvision_edge.errors import BundleError

if TYPE_CHECKING:
    from kvision_edge import manifest

FITS = ("resize", "crop")
MOST_VALUES = 2**28
"""Of more scores than this, the classes are found at a lower resolution."""


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the square: scaled to `height` x `width`, its corner at `top`, `left` (negative: cut off)."""

    height: int
    width: int
    top: int
    left: int


class Preprocess:
    """Brings pictures to a square of `size_px` and normalises them.

    Args:
        settings: From the manifest.

    Attributes:
        size_px: Side S of the square, pixels.
        fit: `resize` (the whole picture, its aspect kept, padded evenly) or `crop` (the square from its centre, at its own resolution).

    Raises:
        BundleError: If this runtime does not know the fit, or the settings do not hold together.
    """

    def __init__(self, settings: manifest.Preprocess) -> None:
        if settings.fit not in FITS:
            raise BundleError(f"preprocess.fit is {settings.fit!r}; this runtime knows {' and '.join(FITS)}: install the newer kvision-edge")
        if settings.size_px < 1 or len(settings.mean) != 3 or len(settings.std) != 3 or min(settings.std) <= 0:
            raise BundleError("preprocess: size_px, mean or std do not hold together; export the bundle again")
        self.size_px, self.fit = int(settings.size_px), settings.fit
        self._mean, self._std = settings.mean, settings.std
        self._padding = np.array([round(255 * mean) for mean in settings.mean], np.float32)

    def placement(self, height: int, width: int) -> Placement:
        """Where a picture of this size lies in the square."""
        if self.fit == "resize":
            longest = max(height, width)
            height, width = (max(1, (2 * side * self.size_px + longest) // (2 * longest)) for side in (height, width))
        return Placement(height, width, (self.size_px - height) // 2, (self.size_px - width) // 2)

    def place(self, image: np.ndarray) -> np.ndarray:
        """The picture uint8 `[H, W, 3]` in the square, uint8 `[S, S, 3]`, padded with the mean colour."""
        size = self.size_px
        if image.shape[:2] == (size, size):
            return image
        where = self.placement(*image.shape[:2])
        picture = resize.antialiased(image, where.height, where.width) if self.fit == "resize" else image
        top, left = max(-where.top, 0), max(-where.left, 0)
        picture = picture[top : top + size, left : left + size].astype(np.float32)
        above, before = max(where.top, 0), max(where.left, 0)
        square = np.broadcast_to(self._padding, (size, size, 3)).copy()
        # As the graph does it: taking the padding off and putting it back rounds, and may decide between two levels.
        square[above : above + picture.shape[0], before : before + picture.shape[1]] = (picture - self._padding) + self._padding
        return np.clip(np.rint(square), 0, 255).astype(np.uint8)

    def levels(self) -> np.ndarray:
        """Normalised value of each of the 256 levels of each channel, float32 `[256, 3]`: `(x / 255 - mean) / std`."""
        scale = np.array([1 / (255 * std) for std in self._std], np.float32)
        shift = np.array([-mean / std for mean, std in zip(self._mean, self._std)], np.float32)
        return np.arange(256, dtype=np.float32)[:, None] * scale + shift

    def canvas(self, image: np.ndarray, levels: np.ndarray, outside: np.ndarray, height: int, width: int) -> np.ndarray:
        """`image` uint8 `[H, W, 3]` at its own resolution as `levels` have it, `outside` below and to the right: `[height, width, 3]`."""
        whole = np.full((height, width, 3), outside, levels.dtype)
        whole[: image.shape[0], : image.shape[1]] = self.normalised(image, levels)
        return whole

    def normalised(self, square: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Each pixel of uint8 `[H, W, 3]` as `levels` `[256, 3]` has it."""
        return np.stack([levels[:, channel].take(square[..., channel]) for channel in range(3)], axis=-1)

    def inside(self, values: np.ndarray, height: int, width: int) -> np.ndarray:
        """The part of `[S, S, ...]` that the picture of `height` x `width` fills."""
        where = self.placement(height, width)
        return values[max(where.top, 0) : where.top + where.height, max(where.left, 0) : where.left + where.width]

    def restore(self, scores: np.ndarray, height: int, width: int) -> np.ndarray:
        """Scores of the square laid back over the picture.

        Args:
            scores: float32 `[S, S, K]`.
            height: H of the picture, pixels.
            width: W of the picture, pixels.

        Returns:
            float32 `[H, W, K]`; with `crop` 0 where the square did not reach.
        """
        inside = self.inside(scores, height, width)
        if self.fit == "resize":
            grows = height >= inside.shape[0] and width >= inside.shape[1]
            return (resize.interpolated if grows else resize.antialiased)(inside, height, width)
        return np.pad(inside, [*self._margins(height, width, inside), (0, 0)])

    def restore_classes(self, scores: np.ndarray, height: int, width: int) -> np.ndarray:
        """The greatest of the K scores of each pixel of the picture: argmax of `restore`, in little memory.

        Args:
            scores: float32 `[S, S, K]`.
            height: H of the picture, pixels.
            width: W of the picture, pixels.

        Returns:
            uint8 `[H, W]`. Of a picture of more than `MOST_VALUES / K` pixels, scaled up from the classes at that many, as the graph does it.
        """
        if self.fit == "crop":
            inside = self.inside(scores, height, width)
            return np.pad(resize.greatest(np.moveaxis(inside, -1, 0)), self._margins(height, width, inside))
        f32 = np.float32
        shrink = np.sqrt(min(f32(1.0), f32(MOST_VALUES) / (f32(height) * f32(width) * f32(scores.shape[2]))))
        rows, columns = (max(1, int(f32(side) * shrink)) for side in (height, width))
        inside = self.inside(scores, rows, columns)
        if rows >= inside.shape[0] and columns >= inside.shape[1]:
            found = resize.grown_classes(inside, rows, columns)
        else:
            found = np.argmax(self.restore(scores, rows, columns), axis=-1).astype(np.uint8)
        return found if found.shape == (height, width) else resize.nearest(found, height, width)

    def restore_boxes(self, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
        """Boxes float32 `[N, 4]` (ymin, xmin, ymax, xmax, pixels of the square) in pixels of the picture, cut to it."""
        where = self.placement(height, width)
        offset = np.array([where.top, where.left] * 2, np.float32)
        scale = np.array([height / where.height, width / where.width] * 2, np.float32)
        return np.clip((boxes - offset) * scale, 0.0, np.array([height, width] * 2, np.float32)).astype(np.float32)

    def _margins(self, height: int, width: int, inside: np.ndarray) -> Tuple[Tuple[int, int], Tuple[int, int]]:
        where = self.placement(height, width)
        top, left = max(-where.top, 0), max(-where.left, 0)
        return (top, height - top - inside.shape[0]), (left, width - left - inside.shape[1])
