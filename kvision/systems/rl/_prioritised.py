"""Which transitions to learn from again: those that the network was most wrong about, drawn through a tree of sums.

Paper: Schaul et al. 2016, arXiv 1511.05952, the proportional variant.
Deviations: the priorities of all minibatches that an engine step learns from are those before it, so that they can be drawn at once.
Shapes: C transitions, G minibatches of M.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from kvision.engine import replica

_LEAST = 1e-6
"""Added to every error, so that no transition is lost for ever."""


class Drawn(NamedTuple):
    """Transitions that were drawn.

    Attributes:
        place: Their numbers, int32 `[G, M]`.
        probability: That of each to be drawn, `[G, M]`.
    """

    place: tf.Tensor
    probability: tf.Tensor


class Priorities:
    """Priorities of C transitions, 0 for those that are not there yet.

    A node has the sum of its two children, which are kept side by side: node i's in row i, the root's in row 1. So drawing and changing take log2 C
    rounds whatever the capacity; a cumulative sum over all takes 20 times as long at a million.

    Args:
        capacity: C.
        alpha: How much errors count: 0: not at all; 1: a transition is drawn in proportion to its error.
    """

    def __init__(self, capacity: int, alpha: float) -> None:
        self._alpha = alpha
        self._depth = max((capacity - 1).bit_length(), 1)
        only = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self._sums = tf.Variable(tf.zeros([2**self._depth, 2]), trainable=False, name="priority_sums", aggregation=only)
        self._highest = replica.scalar(1.0, tf.float32, "highest_priority")

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """State by stable name."""
        return {"priority_sums": self._sums, "highest_priority": self._highest}

    def add(self, place: tf.Tensor) -> None:
        """Gives new transitions, int32 `[M]`, the highest priority that there was, so that each is learnt from soon."""
        self._put(place, tf.fill(tf.shape(place), tf.convert_to_tensor(self._highest)))

    def change(self, place: tf.Tensor, error: tf.Tensor) -> None:
        """Sets the priorities of transitions, int32 `[M]`, by their errors `[M]`; of one that stands there twice, the last error counts."""
        priority = (tf.abs(error) + _LEAST) ** self._alpha
        replica.assign(self._highest, tf.maximum(tf.convert_to_tensor(self._highest), tf.reduce_max(priority)))
        self._put(place, priority)

    def draw(self, uniform: tf.Tensor) -> Drawn:
        """Draws transitions in proportion to their priorities, for each minibatch one from each of M equal shares of the whole.

        Args:
            uniform: Random numbers `[G, M]` in [0, 1).

        Returns:
            What was drawn, of each minibatch by rising number.
        """
        count = uniform.shape[1]
        whole = tf.reduce_sum(self._children(tf.constant(1)))
        rest = (tf.range(count, dtype=tf.float32) + uniform) / count * whole
        node, own = tf.ones_like(uniform, tf.int32), tf.zeros_like(uniform)
        for _ in range(self._depth):
            left, right = tf.unstack(self._children(node), axis=-1)
            goes_right = (rest >= left) & (right > 0.0)  # rounding may leave a rest where nothing is left: never go where nothing is
            rest = tf.where(goes_right, rest - left, rest)
            own = tf.where(goes_right, right, left)
            node = 2 * node + tf.cast(goes_right, tf.int32)
        return Drawn(node - 2**self._depth, own / whole)

    def _children(self, node: tf.Tensor) -> tf.Tensor:
        """Sums of the children of nodes `[...]`, `[..., 2]`."""
        return tf.raw_ops.ResourceGather(resource=self._sums.handle, indices=node, dtype=tf.float32)

    def _put(self, place: tf.Tensor, priority: tf.Tensor) -> None:
        """Writes leaves, and the sums on the way up from them."""
        node = place + 2**self._depth
        value = priority
        for _ in range(self._depth):
            where = tf.stack([node // 2, node % 2], axis=1)
            tf.raw_ops.ResourceScatterNdUpdate(ref=self._sums.handle, indices=where, updates=value)
            node = node // 2
            value = tf.reduce_sum(self._children(node), axis=1)


def importance(probability: tf.Tensor, count: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    """Weights that make up for transitions having been drawn oftener than the others.

    Args:
        probability: Of each drawn transition `[G, M]`.
        count: How many there are to draw from.
        beta: 0: nothing is made up for; 1: all.

    Returns:
        `[G, M]`, the largest of each minibatch being 1.

    References:
        Schaul et al. 2016, arXiv 1511.05952, section 3.4.
    """
    weight = (tf.cast(count, tf.float32) * probability) ** -beta
    return weight / tf.reduce_max(weight, axis=-1, keepdims=True)
