"""The class of every pixel of pictures of any size, from a network that was trained on squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.data.tiling import Tiling, padded, strips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kvision.engine.session import Session
    from kvision.engine.system import System

WHOLE_PX = 1024 * 1024
"""Pictures of more pixels are tiled, unless a tile is asked for."""
TILE_PX = 512
GRAIN_PX = 64
"""Whole pictures are padded to multiples of this, so that pictures of similar sizes share one graph."""


class Dense:
    """Predicts pictures with a session's network.

    With `data.fit=resize` a picture goes through the square and its probabilities back to the picture's size. With `data.fit=crop` it keeps its
    resolution: whole if it is small enough, else in overlapping tiles.

    Args:
        session: Its weights restored.
        tile_px: Side of a tile; none: 512 pixels, for large pictures only.
        overlap_px: Overlap of neighbouring tiles; none: a quarter of the tile.

    Raises:
        UsageError: If the system gives no probabilities for pixels, or tile and overlap do not fit.
    """

    def __init__(self, session: Session, *, tile_px: int | None = None, overlap_px: int | None = None) -> None:
        self._system = session.system
        self._preprocess = session.pipeline.preprocess
        self._graphs: dict[tuple[int, int], Callable[[tf.Tensor], tf.Tensor]] = {}
        if self._preprocess.fit == "resize" and (tile_px or overlap_px):
            raise UsageError(
                "--tile and --overlap are for runs with data.fit=crop; this run was trained on whole pictures scaled to "
                f"{self._preprocess.size_px} px (data.fit=resize) and predicts them likewise: leave the options out"
            )
        self._laid_back = tf.function(self._preprocess.classes, reduce_retracing=True)
        self._stride_px = stride_px(session.system.net) if self._preprocess.fit == "crop" else 1
        self._always = tile_px is not None
        side = tile_px if tile_px is not None else padded(TILE_PX, self._stride_px)
        self._tiling = Tiling(side, side // 4 if overlap_px is None else overlap_px, self._stride_px)

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The most probable class of each pixel as `classes` uint8 `[H, W]`, of an image uint8 `[H, W, 3]` of any size."""
        return {"classes": self.classes(image)}

    def classes(self, image: np.ndarray) -> np.ndarray:
        """The most probable class of each pixel.

        Args:
            image: uint8 `[H, W, 3]`, any size.

        Returns:
            uint8 `[H, W]`.
        """
        if self._preprocess.fit == "resize":
            return self._resized(image)
        normalised = self._preprocess.normalise(tf.convert_to_tensor(image)).numpy()
        height, width = image.shape[:2]
        fits = max(height, width) <= self._tiling.tile_px if self._always else height * width <= WHOLE_PX
        parts = [self._whole(normalised)] if fits else self._tiles(normalised)
        return np.concatenate([np.argmax(part, axis=-1).astype(np.uint8) for part in parts])

    def _resized(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        square, _ = self._preprocess.resize(tf.convert_to_tensor(image))
        size = self._preprocess.size_px
        found = self._graph(size, size)(self._preprocess.normalise(square)[None])[0]
        return np.asarray(self._laid_back(found, tf.constant(height), tf.constant(width)))

    def _whole(self, image: np.ndarray) -> np.ndarray:
        """The picture padded at the bottom and on the right, to a tile if one is asked for, predicted, and cropped back."""
        height, width = image.shape[:2]
        grain = self._tiling.tile_px if self._always else grain_px(self._system.net)
        full = padded(height, grain), padded(width, grain)
        canvas = np.pad(image, [(0, full[0] - height), (0, full[1] - width), (0, 0)])
        return np.asarray(self._graph(*full)(tf.convert_to_tensor(canvas[None]))[0, :height, :width])

    def _tiles(self, image: np.ndarray) -> Iterator[np.ndarray]:
        graph = self._graph(self._tiling.tile_px, self._tiling.tile_px)
        return strips(image, lambda tiles: graph(tf.convert_to_tensor(tiles)).numpy(), self._tiling)

    def _graph(self, height: int, width: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Probabilities `[B, H, W, K]` of normalised pictures of this size; made once for each size."""
        if (height, width) not in self._graphs:
            system = resized(self._system, height, width)
            graph = tf.function(lambda image: _probabilities(system, image))
            # Traced once, here: calling a tf.function of many sizes makes TensorFlow warn of retracing.
            self._graphs[height, width] = graph.get_concrete_function(tf.TensorSpec([None, height, width, 3], tf.float32))
        return self._graphs[height, width]


def stride_px(net: keras.Model) -> int:
    """By how much the network shrinks its pictures at most: sizes that it takes whole are multiples of it."""
    size = net.input_shape[1]
    shapes = [node.output_tensors[0].shape for layer in net.layers for node in layer._inbound_nodes if node.output_tensors]
    return int(max((size // shape[1] for shape in shapes if len(shape) == 4 and shape[1]), default=1))


def grain_px(net: keras.Model) -> int:
    """Whole pictures are padded at the bottom and on the right to multiples of this, pixels."""
    return padded(GRAIN_PX, stride_px(net))


def resized(system: System, height: int | None, width: int | None) -> System:
    """The same system, with the same weights, for normalised pictures `[B, height, width, 3]`.

    Args:
        system: Its networks built.
        height: A multiple of the network's stride; none: any such multiple.
        width: Likewise.

    Returns:
        The system itself if it takes that size already, else a copy whose first network is called on the other size.

    Raises:
        UsageError: If the network is bound to its size.
    """
    role, net = next(iter(system.networks.items()))
    if net.input_shape[1:3] == (height, width):
        return system
    image = keras.Input((height, width, net.input_shape[3]), name="image")
    try:
        output = net.call(image, training=False)  # past `__call__`, which insists on the size that the network was built for
    except (ValueError, TypeError) as error:
        side = net.input_shape[1]
        asked = "any size" if height is None else f"{height}x{width} px"
        raise UsageError(f"this network can't take pictures of {asked}, only of {side}x{side}; use --tile {side}") from error
    return system.with_networks({role: keras.Model(image, output)})


def _probabilities(system: System, image: tf.Tensor) -> tf.Tensor:
    output = system.predict_step(image)
    if "probabilities" not in output:
        raise UsageError(f"{system.recipe.system} gives {', '.join(output)} and no probabilities of pixels; `kvision predict` writes masks only")
    return tf.cast(output["probabilities"], tf.float32)
