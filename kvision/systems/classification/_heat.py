"""Where in a picture its best class is: the classifier slid over the picture, drawn as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from matplotlib import colormaps
from PIL import Image

from kvision.engine.system import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kvision.data.preprocess import Preprocess
    from kvision.systems.classification._convolutional import Sliding

ZOOM = 2
"""The shorter side of a picture that the classifier saw whole, in windows."""
MOST_PX = 2048 * 2048
"""Larger pictures are scaled down to so many pixels, but not below one window."""
DRAWN_PX = 1024
"""Longest side of what is drawn."""
SHARE = 0.6
"""Of the colour of the heat; the rest is the picture in grey."""


class HeatMap:
    """Heat maps of one classifier.

    A classifier of whole pictures (`data.fit=resize`) sees them so large that their shorter side is twice its window; one of cut-outs
    (`data.fit=crop`) at their own resolution.

    Args:
        sliding: The classifier.
        preprocess: How it was given pictures.
        class_names: K names.
        several: Whether a picture may have several classes.
        as_logits: Logits from what the classifier's network says.
    """

    def __init__(
        self,
        sliding: Sliding,
        preprocess: Preprocess,
        class_names: Sequence[str],
        *,
        several: bool,
        as_logits: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> None:
        self._sliding = sliding
        self._preprocess = preprocess
        self._names = class_names
        self._several = several
        normalised = tf.TensorSpec([1, None, None, 3], tf.float32)
        self._graph = tf.function(lambda image: tf.cast(as_logits(sliding.net(image, training=False)), tf.float32), input_signature=[normalised])

    def __call__(self, image: np.ndarray, output: Mapping[str, np.ndarray]) -> Prediction:
        """The heat map of the class that is most probable for the whole picture.

        Args:
            image: uint8 `[H, W, 3]`.
            output: `probabilities` `[K]` of the whole picture.

        Returns:
            `heat`: the picture under the probabilities, black 0 and yellow 1; `logits` float32 `[h, w, K]`; and facts: `heat_class`,
            `window_px` and `stride_px`, pixels of the picture, that each place of the map stands for.
        """
        best, scale = int(np.argmax(output["probabilities"])), self._scale(*image.shape[:2])
        logits = self.logits(image, scale)
        odds = tf.sigmoid(logits) if self._several else tf.nn.softmax(logits)
        window, stride = self._sliding.window_px / scale, self._sliding.stride_px / scale
        facts = {"heat_class": self._names[best], "window_px": round(window, 2), "stride_px": round(stride, 2)}
        return Prediction(facts, {"heat": drawn(image, odds.numpy()[..., best], window, stride)}, {"logits": logits})

    def logits(self, image: np.ndarray, scale: float) -> np.ndarray:
        """What the classifier says of each window: `[h, w, K]` of a picture uint8 `[H, W, 3]`, scaled first."""
        size = [max(self._sliding.window_px, round(side * scale)) for side in image.shape[:2]]
        scaled = tf.image.resize(image, size, antialias=True) if size != list(image.shape[:2]) else image
        return np.asarray(self._graph(self._preprocess.normalise(tf.convert_to_tensor(scaled))[None])[0])

    def _scale(self, height: int, width: int) -> float:
        """How much larger the network sees a picture of this size."""
        wanted = ZOOM * self._sliding.window_px / min(height, width) if self._preprocess.fit == "resize" else 1.0
        least = self._sliding.window_px / min(height, width)
        return max(least, min(wanted, (MOST_PX / (height * width)) ** 0.5))


def drawn(image: np.ndarray, heat: np.ndarray, window_px: float, stride_px: float) -> Image.Image:
    """A picture under the heat of its windows.

    Args:
        image: uint8 `[H, W, 3]`.
        heat: 0-1 `[h, w]`, of windows from the upper left corner on.
        window_px: Side of a window, pixels of the picture.
        stride_px: From one window to the next.

    Returns:
        RGB, not larger than `DRAWN_PX`. A window's heat stands at its middle, linear between, and even beyond the outermost.
    """
    picture = Image.fromarray(image)
    picture.thumbnail((DRAWN_PX, DRAWN_PX), Image.Resampling.LANCZOS)
    rows, columns = (
        between(drawn_px, whole_px, count, window_px, stride_px)
        for drawn_px, whole_px, count in zip((picture.height, picture.width), image.shape[:2], heat.shape, strict=True)
    )
    colours = colormaps["inferno"](rows @ heat @ columns.T)[..., :3] * 255
    grey = np.asarray(picture.convert("L"), np.float64)[..., None]
    return Image.fromarray(np.round(SHARE * colours + (1 - SHARE) * grey).astype(np.uint8))


def between(drawn_px: int, whole_px: int, count: int, window_px: float, stride_px: float) -> np.ndarray:
    """The share of each of `count` windows in each of `drawn_px` pixels that stand for `whole_px` ones: `[drawn_px, count]`, rows sum to 1."""
    middles = window_px / 2 + stride_px * np.arange(count)
    places = (np.arange(drawn_px) + 0.5) * whole_px / drawn_px
    return np.stack([np.interp(places, middles, window) for window in np.eye(count)], axis=1)
