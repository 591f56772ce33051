"""Which part of each global batch an input pipeline makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvision.core.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Share:
    """The part of each global batch that one input pipeline makes.

    Attributes:
        start: Its first position in the global batch.
        mine: Number of its examples in a global batch.
        each: Examples a replica.
    """

    start: int
    mine: int
    each: int

    @classmethod
    def of(cls, batch: int, context: tf.distribute.InputContext | None) -> Share:
        """This pipeline's share; raises `DataError` if the replicas can't have equal parts."""
        replicas, pipelines, this = (
            (1, 1, 0) if context is None else (context.num_replicas_in_sync, context.num_input_pipelines, context.input_pipeline_id)
        )
        if batch % replicas:
            raise DataError(f"data.batch: {batch} can't be split evenly over {replicas} devices; use a multiple of {replicas}")
        mine = batch // pipelines
        return cls(this * mine, mine, batch // replicas)

    def locate(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`(step, place in the global batch)` of this pipeline's examples, counted from step 0."""
        return count // self.mine, self.start + count % self.mine
