"""The guard: remembers, inside the graph, which step went wrong, so that no step has to ask the host."""

from __future__ import annotations

import tensorflow as tf

from kvision.engine import replica

NEVER = -1


class Guard:
    """What went wrong and when. One for all updates of a run; make it inside the strategy's scope.

    Attributes:
        first_bad: int64, the first step whose loss (or, without loss scaling, gradient) was not finite; -1 as long as there is none.
            From then on every update is skipped, so that the weights stay those of the last good step.
        skipped: int64, the last step whose update was skipped for whatever reason, a float16 overflow included; -1 for none.
    """

    def __init__(self) -> None:
        self.first_bad = replica.scalar(NEVER, tf.int64, "first_bad_step")
        self.skipped = replica.scalar(NEVER, tf.int64, "last_skipped_step")

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """State by stable name."""
        return {"first_bad_step": self.first_bad, "last_skipped_step": self.skipped}

    def judge(self, step: tf.Tensor, *, finite: tf.Tensor, hopeless: tf.Tensor) -> tf.Tensor:
        """Decides on a step's update, in replica context; the arguments are equal on all replicas.

        Args:
            step: The global step, int64.
            finite: Whether loss and gradients are finite.
            hopeless: Whether, if they are not, that is the end of the run rather than one skipped step.

        Returns:
            Boolean scalar: apply the update.
        """
        first = tf.convert_to_tensor(self.first_bad)
        first = tf.where((first == NEVER) & ~finite & hopeless, step, first)
        go = finite & (first == NEVER)
        replica.assign(self.first_bad, first)
        replica.assign(self.skipped, tf.where(go, tf.convert_to_tensor(self.skipped), step))
        return go

    def passed(self, step: tf.Tensor) -> tf.Tensor:
        """Whether no update of this step was skipped so far; in replica context."""
        return tf.convert_to_tensor(self.skipped) != step
