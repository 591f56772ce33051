"""Leaves no trace: whatever happens inside, a session and the process's random generators are afterwards what they were before."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np
from keras.src.backend.common import global_state
from tensorflow.python.eager import context as eager
from tensorflow.python.ops import stateful_random_ops

from kvision.engine import randomness, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision.engine.replica import AnyVariable
    from kvision.engine.session import Session


@contextlib.contextmanager
def undisturbed(session: Session) -> Iterator[None]:
    """Puts back, to the bit: weights, the training's state, seed generators, and the generators of Python, NumPy, TensorFlow and Keras.

    The order of the data needs no putting back: it is a function of the step, and a session holds no iterator.

    Args:
        session: With or without its training part.

    Yields:
        Once, for the block that may do as it likes with the session.
    """
    variables = session.variables() | _seed_states(session)
    kept, generators = state.read(variables), _generators()
    try:
        with _other_seeds():
            yield
    finally:
        state.write(variables, kept, "the session")
        _restore(generators)


@contextlib.contextmanager
def _other_seeds() -> Iterator[None]:
    """Gives operations of the block other seeds than those that come after it: TensorFlow keeps the state of an operation by its seed."""
    context = eager.context()
    own = getattr(context, "_rng", None)  # there once tf.random.set_seed was called
    if own is None:
        yield
        return
    context._rng = random.Random(repr(own.getstate()))
    try:
        yield
    finally:
        context._rng = own


def _seed_states(session: Session) -> dict[str, AnyVariable]:
    found = randomness.seed_generators(session.system.networks.values())
    return {f"seed/{number}": generator.state for number, generator in enumerate(found)}


def _generators() -> dict[str, Any]:
    """The states of the process's generators; None for those that nobody has made yet."""
    tensorflow, keras_own = stateful_random_ops.global_generator, _keras_generator()
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - the global generator is what others may be using
        "tensorflow": None if tensorflow is None else tensorflow.state.numpy(),
        "keras": None if keras_own is None else keras_own.state.numpy(),
    }


def _restore(generators: dict[str, Any]) -> None:
    random.setstate(generators["python"])
    np.random.set_state(generators["numpy"])  # noqa: NPY002 - see above
    if generators["tensorflow"] is None:
        stateful_random_ops.global_generator = None
    else:
        stateful_random_ops.global_generator.state.assign(generators["tensorflow"])
    if generators["keras"] is None:
        global_state.set_global_attribute("global_seed_generator", None)
    else:
        _keras_generator().state.assign(generators["keras"])


def _keras_generator() -> Any:
    return global_state.get_global_attribute("global_seed_generator")
