"""Random changes of training examples, applied jointly to image, masks and boxes."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from kvision.core.schema import AugmentOptions


def augment(example: Mapping[str, tf.Tensor], options: AugmentOptions, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """The example, changed at random."""
    return dict(example)


def is_identity(options: AugmentOptions) -> bool:
    """Whether no transform is ever drawn."""
    return True
