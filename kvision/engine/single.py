"""What a system says of whole pictures of any size, one at a time, through the square that it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    import numpy as np

    from kvision.engine.session import Session


class Single:
    """Predicts pictures with a session's networks.

    Args:
        session: Its weights restored.
    """

    def __init__(self, session: Session) -> None:
        system, preprocess = session.system, session.pipeline.preprocess

        def predict(image: tf.Tensor) -> dict[str, tf.Tensor]:
            square = preprocess.place({"image": image})["image"]
            return system.predict_step(preprocess.normalise(square)[None])

        self._graph = tf.function(predict, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """What `System.predict_step` says of an image uint8 `[H, W, 3]`, without the batch dimension."""
        return {name: value[0].numpy() for name, value in self._graph(image).items()}
