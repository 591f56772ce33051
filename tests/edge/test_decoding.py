"""A device says the same tokens as the graph where both are given the same logits, whatever the rules."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.ops import decoding as graph
from kvision_edge.postprocess import decoding as device

IMAGES, CELLS, V, LENGTH = 40, 61, 9, 6
START, END, UNKNOWN = 1, 2, 3
random = np.random.default_rng(0)
NORMAL = random.normal(0, 2, (IMAGES, CELLS, V)).astype(np.float32)
EQUALS = random.integers(0, 3, (IMAGES, CELLS, V)).astype(np.float32)
"""Many sentences have the same probability."""
WEIGHTS = {name: random.normal(0, 0.8, shape).astype(np.float32) for name, shape in (("kept", (8, 8)), ("words", (V, 8)), ("out", (8, V)))}
RULES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "forbidden": {"forbidden": (UNKNOWN, 200)},
    "beam": {"beam": 3, "nbest": 3},
    "length": {"beam": 4, "nbest": 4, "length_alpha": 0.7},
    "wide": {"beam": 30, "nbest": 30, "length_alpha": 0.7, "forbidden": (UNKNOWN,)},
    "repeat": {"no_repeat": 1},
    "repeat-beam": {"beam": 3, "nbest": 2, "no_repeat": 2, "length_alpha": 1.0},
    "draw": {"temperature": 1.3, "nbest": 4, "seed": 5},
    "nucleus": {"temperature": 0.9, "nbest": 3, "top_p": 0.6, "seed": -7, "no_repeat": 2, "forbidden": (UNKNOWN,)},
}


def in_tables(tables: np.ndarray) -> tuple[graph.Step, device.Step]:
    """The logits of an image after a hash of all that was said."""

    def graph_step(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        cell = (states["cell"] * 31 + token) % CELLS
        return tf.gather_nd(tf.constant(tables), tf.stack([states["image"], cell], 1)), {"cell": cell, "alpha": tf.one_hot([token], V)[0]}

    def device_step(token: int, states: device.States) -> tuple[np.ndarray, device.States]:
        cell = (states["cell"] * 31 + token) % CELLS
        return tables[states["image"], cell], {"cell": cell, "alpha": np.eye(V, dtype=np.float32)[token]}

    return graph_step, device_step


def compared(steps: tuple[graph.Step, device.Step], states: dict[str, np.ndarray], rules: graph.Rules) -> None:
    """Every sentence of every image: tokens and log-probabilities to the last bit."""
    made = tf.function(lambda given: graph.search(steps[0], given, rules))({name: tf.constant(value) for name, value in states.items()})
    for image in range(IMAGES):
        found = device.search(steps[1], {name: value[image] for name, value in states.items()}, device.Rules(**asdict(rules)))
        expected = [tuple(int(token) for token in row if token != graph.PAD) for row in made.tokens[image].numpy()]
        assert [each.tokens for each in found] == [row for row in expected if row]
        np.testing.assert_array_equal(made.log_probability[image, : len(found)], np.float32([each.log_probability for each in found]))
        for row, each in zip(made.extras.get("alpha", [[]] * IMAGES)[image], found, strict=False):
            np.testing.assert_array_equal(row[: len(each.tokens)], [extra["alpha"] for extra in each.extras])


def test_both_have_the_same_rules() -> None:
    assert [(each.name, each.default) for each in fields(graph.Rules)] == [(each.name, each.default) for each in fields(device.Rules)]
    assert (graph.PAD, graph.GRID) == (device.PAD, device.GRID)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_tokens_are_those_of_the_graph(rules: dict[str, Any]) -> None:
    states = {"image": np.arange(IMAGES, dtype=np.int32), "cell": np.zeros(IMAGES, np.int32)}
    for tables in (NORMAL, EQUALS):
        compared(in_tables(tables), states, graph.Rules(START, END, LENGTH, **rules))


def test_a_recurrent_network_on_the_device_says_what_it_says_in_the_graph() -> None:
    def forward(token: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        after = np.stack([np.tanh(row @ WEIGHTS["kept"] + WEIGHTS["words"][each]) for row, each in zip(state, token, strict=True)])
        return np.stack([row @ WEIGHTS["out"] for row in after]), after  # row by row: a product of matrices may sum in another order

    def graph_step(token: tf.Tensor, states: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        logits, state = tf.numpy_function(forward, [token, states["state"]], [tf.float32, tf.float32])
        return tf.ensure_shape(logits, [*token.shape, V]), {"state": tf.ensure_shape(state, states["state"].shape)}

    def device_step(token: int, states: device.States) -> tuple[np.ndarray, device.States]:
        logits, state = forward(np.array([token]), states["state"][None])
        return logits[0], {"state": state[0]}

    states = {"state": random.normal(0, 1, (IMAGES, 8)).astype(np.float32)}
    compared((graph_step, device_step), states, graph.Rules(START, END, 12, beam=3, nbest=3, length_alpha=0.7, no_repeat=3))


def test_logits_that_are_no_numbers_make_no_sentence() -> None:
    def step(token: int, states: device.States) -> tuple[np.ndarray, device.States]:
        return np.full(V, np.nan, np.float32), {}

    assert device.search(step, {}, device.Rules(START, END, 3, beam=2)) == []
    assert device.search(step, {}, device.Rules(START, END, 3, temperature=1.0)) == []
