"""The phase of an agent's step in which it learns: many updates in one piece of graph, compiled by XLA where that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.engine import rows

if TYPE_CHECKING:
    from collections.abc import Callable


Scalars = dict[str, tf.Tensor]


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


def repeat(count: int, update: Callable[[tf.Tensor], Scalars], going: Callable[[Scalars], tf.Tensor] | None = None) -> Scalars:
    """Updates one after the other.

    Args:
        count: How many, at least 1.
        update: Makes the update of this number, int32 scalar; gives scalars.
        going: Whether to go on after an update, by the scalars that it gave; none: always. Not for several replicas, which can't meet in a loop.

    Returns:
        The means of the scalars over all updates that were made.
    """
    sums = update(tf.constant(0))
    if tf.executing_eagerly() or rows.place()[1] > 1:
        made, last = 1, sums
        while made < count and (going is None or going(last)):
            last = update(tf.constant(made))
            made, sums = made + 1, _added(sums, last)
        return {name: value / made for name, value in sums.items()}
    if count == 1:
        return sums

    def another(number: tf.Tensor, _: tf.Tensor, sums: Scalars) -> tuple[tf.Tensor, tf.Tensor, Scalars]:
        last = update(number)
        return number + 1, on(last), _added(sums, last)

    on = going or (lambda _: tf.constant(True))
    number, _, sums = tf.while_loop(
        lambda number, wanted, _: (number < count) & wanted, another, (tf.constant(1), on(sums), sums), parallel_iterations=1
    )
    return {name: value / (count if going is None else tf.cast(number, value.dtype)) for name, value in sums.items()}


def _added(sums: Scalars, more: Scalars) -> Scalars:
    return {name: sums[name] + value for name, value in more.items()}
