"""Facts of all examples are made in plain Python, and captured by graphs instead of copied into them."""

from __future__ import annotations

import inspect

import numpy as np
import tensorflow as tf

from kvision.data import host


def test_what_is_made_in_a_graph_runs_as_it_stands_and_once() -> None:
    files: list[str] = []

    def make() -> np.ndarray:
        files.append(inspect.stack()[0].filename)  # AutoGraph's own would be a generated one
        return np.arange(1000)

    held: dict[str, tf.Tensor] = {}

    def fact(index: tf.Tensor) -> tf.Tensor:
        if "made" not in held:
            held["made"] = host.made(make)
        return tf.gather(held["made"], index)

    graph = tf.function(fact).get_concrete_function(tf.TensorSpec([], tf.int64)).graph
    assert [int(value) for value in tf.data.Dataset.range(3).map(fact)] == [0, 1, 2]
    assert files == [__file__]
    assert [each.shape for each in graph.captures and [graph.captures[0][0]]] == [[1000]]
