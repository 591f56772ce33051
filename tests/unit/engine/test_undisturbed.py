"""Whatever happens in the block, session and random generators are afterwards what they were."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import randomness, state
from kvision.engine.undisturbed import undisturbed
from tests.unit.engine import tiny


def draws() -> list[float]:
    """The next number of every generator of the process."""
    return [
        random.random(),
        float(np.random.random()),  # noqa: NPY002
        float(tf.random.get_global_generator().uniform([])),
        float(tf.random.uniform([])),
        float(keras.random.uniform([])),
    ]


def test_every_generator_goes_on_where_it_stood() -> None:
    session, after = tiny.session(training=False), []
    for disturbed in (False, True):
        keras.utils.set_random_seed(5)
        tf.random.set_global_generator(tf.random.Generator.from_seed(5))
        first = draws()  # makes Keras' own generator
        if disturbed:
            with undisturbed(session):
                assert draws() != first
                random.seed(1)
        after.append(draws())
        assert after[-1] != first
    assert after[0] == after[1]


def test_a_generator_that_was_not_there_is_not_there_afterwards() -> None:
    from tensorflow.python.ops import stateful_random_ops

    session, kept = tiny.session(training=False), stateful_random_ops.global_generator
    stateful_random_ops.global_generator = None
    try:
        with undisturbed(session):
            tf.random.get_global_generator()
        assert stateful_random_ops.global_generator is None
    finally:
        stateful_random_ops.global_generator = kept


def test_weights_optimizers_and_seed_generators_come_back_also_after_an_error() -> None:
    session = tiny.session()
    variables = session.variables() | {"seed": randomness.seed_generators(session.system.networks.values())[0].state}
    before = state.read(variables)

    def spoil() -> None:
        with undisturbed(session):
            for variable in variables.values():
                variable.assign(tf.ones_like(variable))
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        spoil()
    for name, value in state.read(variables).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
