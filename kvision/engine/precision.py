"""Numerical precision: the Keras policy, and the dynamic loss scale that float16 needs."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine import replica

Precision = Literal["fp32", "bf16", "fp16"]
POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


def set_policy(precision: str) -> None:
    """Sets Keras' global dtype policy; variables stay float32 under each. Call it before the network is built.

    Args:
        precision: `fp32`, `bf16` (mixed bfloat16) or `fp16` (mixed float16).

    Raises:
        UsageError: Another name.
    """
    if precision not in POLICIES:
        raise UsageError(f"--precision {precision}: accepted are {', '.join(POLICIES)}; use bf16 on CPUs with AMX or AVX-512 bf16 and on new GPUs")
    keras.config.set_dtype_policy(POLICIES[precision])


class LossScale:
    """No scaling: for float32 and bfloat16, whose exponents are wide enough for gradients."""

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """State by stable name."""
        return {}

    @property
    def value(self) -> tf.Tensor | float:
        """What the loss is multiplied by, and the gradients divided by."""
        return 1.0

    @property
    def exhausted(self) -> tf.Tensor:
        """Whether a non-finite gradient can't be the scale's fault."""
        return tf.constant(True)

    def update(self, finite: tf.Tensor) -> None:
        """Takes note whether this step's gradients were finite; in replica context, equal on all replicas."""
        del finite


class DynamicLossScale(LossScale):
    """The loss scale of float16: doubled after `growth_steps` good steps in a row, halved by a non-finite gradient (that step is skipped).

    References:
        Mixed Precision Training, Micikevicius et al. 2018 (arXiv 1710.03740), section 3.2.
    """

    def __init__(self, initial: float = 2.0**15, growth_steps: int = 2000) -> None:
        self.growth_steps = growth_steps
        self._scale = replica.scalar(initial, tf.float32, "loss_scale")
        self._good = replica.scalar(0, tf.int64, "loss_scale_good_steps")

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """The scale, and the good steps since it last changed."""
        return {"loss_scale": self._scale, "loss_scale_good_steps": self._good}

    @property
    def value(self) -> tf.Tensor:
        """The scale now, float32."""
        return tf.convert_to_tensor(self._scale)

    @property
    def exhausted(self) -> tf.Tensor:
        """True once the scale is down to 1."""
        return self.value <= 1.0

    def update(self, finite: tf.Tensor) -> None:
        """Halves, keeps or doubles the scale; in replica context, `finite` equal on all replicas."""
        scale, good = self.value, tf.convert_to_tensor(self._good) + 1
        grow = good >= self.growth_steps
        grown = tf.where(grow, tf.minimum(scale * 2.0, 2.0**24), scale)
        replica.assign(self._scale, tf.where(finite, grown, tf.maximum(scale / 2.0, 1.0)))
        replica.assign(self._good, tf.where(finite & ~grow, good, tf.zeros_like(good)))


def loss_scale(precision: str) -> LossScale:
    """The loss scale for a precision; make it inside the strategy's scope."""
    return DynamicLossScale() if precision == "fp16" else LossScale()
