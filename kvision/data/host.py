"""Facts of all examples in the host's memory, for graphs to look up by an example's number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import tensorflow as tf


def tensor(values: object) -> tf.Tensor:
    """An eager tensor, also when a graph is being traced: graphs capture it instead of copying it into a constant of their own."""
    import tensorflow as tf

    with tf.init_scope(), tf.device("CPU:0"):
        return tf.convert_to_tensor(values)


def made(make: Callable[[], object]) -> tf.Tensor:
    """The same of what `make` gives, which runs as it stands: AutoGraph would follow it into every loop, and take minutes for seconds of work."""
    import tensorflow as tf

    return tensor(tf.autograph.experimental.do_not_convert(make)())
