"""Recurrent layers: one step at a time is the same as whole sequences, and both are the equations of the papers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.layers.recurrent_stack import Recurrent


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("depth", [1, 2])
def test_steps_are_the_sequence(kind: str, depth: int) -> None:
    keras.utils.set_random_seed(0)
    made = Recurrent(kind, 5, depth)
    made.build((None, 3))
    x = np.random.default_rng(1).standard_normal((2, 7, 3)).astype(np.float32)
    begun = {name: np.full((2, 5), 0.1 * number, np.float32) for number, name in enumerate(made.state_names)}
    said, after = made.sequence(x, begun)
    states, one_by_one = begun, []
    for place in range(7):
        output, states = made(x[:, place], states)
        one_by_one.append(output)
    np.testing.assert_allclose(np.stack(one_by_one, 1), said, atol=1e-6)
    assert set(after) == set(states) == set(made.state_names)
    for name in after:
        np.testing.assert_allclose(states[name], after[name], atol=1e-6)


def test_a_vanilla_step_by_hand() -> None:
    made = Recurrent("rnn", 1)
    made.build((None, 1))
    made.stack[0].cell.set_weights([np.array([[2.0]]), np.array([[0.5]]), np.array([-1.0])])
    output, states = made(np.array([[1.0]], np.float32), {"h_0": np.array([[0.4]], np.float32)})
    assert float(output[0, 0]) == pytest.approx(np.tanh(2.0 * 1.0 + 0.5 * 0.4 - 1.0))
    assert float(states["h_0"][0, 0]) == float(output[0, 0])


def test_an_lstm_step_is_hochreiter_s_with_a_forget_gate() -> None:
    keras.utils.set_random_seed(3)
    made = Recurrent("lstm", 4)
    made.build((None, 2))
    kernel, recurrent, bias = (np.asarray(weight, np.float64) for weight in made.stack[0].cell.get_weights())
    x, h, c = np.ones((1, 2)), np.full((1, 4), 0.3), np.full((1, 4), -0.2)
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
    sigmoid = lambda value: 1 / (1 + np.exp(-value))  # noqa: E731
    c_new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    output, states = made(x.astype(np.float32), {"h_0": h.astype(np.float32), "c_0": c.astype(np.float32)})
    np.testing.assert_allclose(states["c_0"], c_new, atol=1e-6)
    np.testing.assert_allclose(output, sigmoid(o) * np.tanh(c_new), atol=1e-6)


def test_states_stay_float32_in_half_precision_and_names_follow_the_layers() -> None:
    made = Recurrent("lstm", 2, depth=2, dtype="mixed_bfloat16")
    assert made.state_names == ("h_0", "c_0", "h_1", "c_1")
    said, after = made.sequence(np.ones((1, 3, 2), np.float32), made.zeros(1))
    assert keras.backend.standardize_dtype(said.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(state.dtype) for state in after.values()} == {"float32"}


def test_it_is_made_again_from_its_config() -> None:
    made = Recurrent("gru", 3, depth=2, dropout=0.5)
    again = Recurrent.from_config(made.get_config())
    assert (again.kind, again.width, again.depth, again.dropout) == ("gru", 3, 2, 0.5)


def test_values_are_dropped_between_layers_in_training_only() -> None:
    keras.utils.set_random_seed(0)
    made = Recurrent("rnn", 8, depth=2, dropout=0.5)
    x = np.ones((1, 4, 2), np.float32)
    made.build((None, 2))
    still = [np.asarray(made.sequence(x, made.zeros(1))[0]) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.allclose(made.sequence(x, made.zeros(1), training=True)[0], still[0])
