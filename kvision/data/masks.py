"""What the samples of a mask file mean: from indices, grey values or colours to classes, in the graph.

Two marks stand beside the classes 0..K-1 in a decoded mask: `IGNORE_LABEL`, which nothing counts, and `OUTSIDE`, a value that belongs to no
class and must not reach a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kvision.core import words
from kvision.core.labels import IGNORE_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tensorflow as tf

    from kvision.data.headers import Header

OUTSIDE = 254
"""Decoded value of a sample that belongs to no class."""
MAX_CLASSES = 254
_SHOWN = 6
ONE_LINE_FIX = "mask_values: {0: 0, 255: 1}"
"""What to write under `data:` for masks that hold 0 and 255."""


class Layout(NamedTuple):
    """How one mask file is to be read: see `Header.prefix`, `Header.start`; raw values are multiples of `step`."""

    prefix: bytes | tf.Tensor
    start: int | tf.Tensor
    step: int | tf.Tensor


class Codec:
    """From mask files to classes.

    Args:
        num_classes: K.
        mask_values: Raw value -> class or `IGNORE_LABEL`; none: raw value k is class k.
        ignore_value: Raw value that is ignored when `mask_values` does not name it; none: no such value.
        colours: RGB -> class or `IGNORE_LABEL`, for masks in colour; none: masks hold values.
        deep: Whether a mask of 16 bits is among them.
    """

    def __init__(
        self,
        num_classes: int,
        mask_values: Mapping[int, int] | None,
        ignore_value: int | None,
        colours: Mapping[tuple[int, int, int], int] | None,
        *,
        deep: bool = False,
    ) -> None:
        self.in_colour = colours is not None
        self._top = 65535 if deep else 255
        self._classes = np.full(self._top + 1, OUTSIDE, np.uint8)
        if ignore_value is not None and ignore_value <= self._top:
            self._classes[ignore_value] = IGNORE_LABEL
        for raw, label in (mask_values or {k: k for k in range(num_classes)}).items():
            if raw <= self._top:
                self._classes[raw] = label
        codes = sorted((r * 65536 + g * 256 + b, label) for (r, g, b), label in (colours or {}).items())
        self._codes = np.array([code for code, _ in codes], np.int32)
        self._labels = np.array([label for _, label in codes], np.uint8)

    def layout(self, header: Header) -> Layout:
        """How to read the file that has this header."""
        if self.in_colour:
            return Layout(b"", 0, 1)
        return Layout(header.prefix, header.start, self._top // (2 ** min(header.depth, self._top.bit_length()) - 1))

    def samples(self, data: tf.Tensor, layout: Layout) -> tf.Tensor:
        """The file's own values: uint8 or uint16 `[H, W]`, or colours uint8 `[H, W, 3]`; an indexed PNG gives its indices, not its colours."""
        import tensorflow as tf

        if self.in_colour:
            return tf.io.decode_png(data, channels=3)
        start = tf.cast(layout.start, tf.int32)
        data = tf.strings.join([layout.prefix, tf.strings.substr(data, start, tf.strings.length(data) - start)])
        dtype = tf.uint16 if self._top > 255 else tf.uint8
        # libpng stretches samples of fewer bits over the full range; division brings back what the file holds.
        return tf.io.decode_png(data, channels=1, dtype=dtype)[..., 0] // tf.cast(layout.step, dtype)

    def classes(self, samples: tf.Tensor) -> tf.Tensor:
        """Classes of samples: uint8 `[H, W]`, with `IGNORE_LABEL` and `OUTSIDE`."""
        import tensorflow as tf

        if not self.in_colour:
            return tf.gather(self._classes, tf.cast(samples, tf.int32))
        wide = tf.cast(samples, tf.int32)
        codes = wide[..., 0] * 65536 + wide[..., 1] * 256 + wide[..., 2]
        flat = tf.reshape(codes, [-1])
        place = tf.minimum(tf.searchsorted(self._codes, flat), len(self._codes) - 1)
        found = tf.where(tf.gather(self._codes, place) == flat, tf.gather(self._labels, place), tf.constant(OUTSIDE, tf.uint8))
        return tf.reshape(found, tf.shape(codes))


class MaskFault(NamedTuple):
    """What is wrong with the values of one mask."""

    kind: str
    message: str


def judge(samples: np.ndarray, classes: np.ndarray, accepted: str) -> MaskFault | None:
    """What is wrong with a decoded mask, if anything.

    Args:
        samples: The file's own values `[H, W]` or colours `[H, W, 3]`.
        classes: What they were decoded to, `[H, W]`.
        accepted: The values that are accepted, in words.

    Returns:
        The fault, or none.
    """
    bad = classes == OUTSIDE
    if not bad.any():
        return None
    share = f"{np.count_nonzero(bad)} of {bad.size} pixels"
    if between_classes(samples, bad):
        return MaskFault("interpolated", f"{share} lie between classes, along their edges: it was resized with interpolation or stored with loss")
    if samples.ndim == 3:
        colours = np.unique(samples[bad], axis=0)
        return MaskFault(
            "mask-colours", f"{share} have colours that data.colours does not name: {words.listed(colours.tolist(), _SHOWN)}; accepted: {accepted}"
        )
    values = np.unique(samples)
    if set(values.tolist()) <= {0, 255}:
        return MaskFault("mask-0-255", f"it holds 0 and 255; accepted: {accepted}")
    return MaskFault(
        "mask-values", f"{share} have values outside the classes: {words.listed(np.unique(samples[bad]).tolist(), _SHOWN)}; accepted: {accepted}"
    )


def between_classes(samples: np.ndarray, bad: np.ndarray) -> bool:
    """Whether the bad pixels look like mixtures of neighbouring classes.

    That is: at least three different ones, on less than 40% of the mask, and four in five of them strictly between the least and the
    greatest sample, in some channel, within two pixels around, where also a good pixel lies.

    Args:
        samples: Values `[H, W]` or colours `[H, W, 3]`.
        bad: Pixels that belong to no class, `[H, W]`.

    Returns:
        True when they do.
    """
    from scipy import ndimage

    if np.count_nonzero(bad) > 0.4 * bad.size or len(np.unique(samples[bad], axis=0)) < 3:
        return False
    channels = samples[..., None] if samples.ndim == 2 else samples
    mixed = np.zeros_like(bad)
    for channel in np.moveaxis(channels, -1, 0):
        mixed |= (ndimage.minimum_filter(channel, 5) < channel) & (channel < ndimage.maximum_filter(channel, 5))
    near_good = ndimage.minimum_filter(bad, 5) == 0
    return bool(np.count_nonzero(bad & mixed & near_good) >= 0.8 * np.count_nonzero(bad))


def ghosts(classes: np.ndarray) -> list[int]:
    """Classes that are only ever a seam between a lower and a higher one: what interpolation between two classes leaves behind.

    Args:
        classes: Decoded mask, uint8 `[H, W]`.

    Returns:
        Those classes, ascending.
    """
    from scipy import ndimage

    present = [k for k in np.unique(classes).tolist() if k < OUTSIDE]
    if len(present) < 3:
        return []
    known = np.where(classes < OUTSIDE, classes, 0)
    seam = (ndimage.minimum_filter(known, 5) < known) & (known < ndimage.maximum_filter(known, 5))
    return [k for k in present[1:-1] if np.count_nonzero(classes == k) >= 8 and seam[classes == k].mean() >= 0.95]
