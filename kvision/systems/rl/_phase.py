"""The phase of an agent's step in which it learns: many updates in one piece of graph, compiled by XLA where that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.engine import rows

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any], *given: Any, wanted: bool = True) -> Any:
    """What a function of tensors gives, by one XLA program.

    On the CPU that is about three times as fast for small networks, whose steps are many small operations. Replicas can't meet in such a program, so
    several of them go without; and so does a step outside of a graph.

    Args:
        function: Updates and other work on tensors.
        *given: Its arguments, nests of tensors.
        wanted: Whether it is to be compiled; XLA's convolutions on the CPU are slow.

    Returns:
        Its result.
    """
    if not wanted or tf.executing_eagerly() or rows.place()[1] > 1:
        return function(*given)
    return tf.function(function, jit_compile=True, autograph=False)(*given)


def repeat(count: int, update: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
    """Updates one after the other.

    Args:
        count: How many, at least 1.
        update: Makes the update of this number, int32 scalar; gives scalars.

    Returns:
        The means of the scalars over all updates.
    """
    sums = update(tf.constant(0))
    if tf.executing_eagerly() or rows.place()[1] > 1:  # replicas can't meet in a loop
        for number in range(1, count):
            sums = _added(sums, update(tf.constant(number)))
    elif count > 1:
        _, sums = tf.while_loop(
            lambda number, _: number < count,
            lambda number, sums: (number + 1, _added(sums, update(number))),
            (tf.constant(1), sums),
            parallel_iterations=1,
        )
    return {name: value / count for name, value in sums.items()}


def _added(sums: dict[str, tf.Tensor], more: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: sums[name] + value for name, value in more.items()}
