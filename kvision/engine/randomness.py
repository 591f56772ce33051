"""Random layers as pure functions of (seed, step, replica, micro-batch): the state of Keras' seed generators is set before every forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

from kvision.engine import replica as replicas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import keras

Number: TypeAlias = "int | tf.Tensor"


def seed_generators(networks: Iterable[keras.Model]) -> list[keras.random.SeedGenerator]:
    """The seed generators of all layers, each once, in the order of networks and layers."""
    found: dict[int, keras.random.SeedGenerator] = {}
    for network in networks:
        for layer in network._flatten_layers():
            for generator in getattr(layer, "_seed_generators", ()):
                found.setdefault(id(generator), generator)
    return list(found.values())


def reseed(
    generators: Sequence[keras.random.SeedGenerator], seed: int, step: Number, replica: Number = 0, micro: Number = 0, update: Number = 0
) -> None:
    """Sets every generator's state from the arguments alone; in replica context.

    Args:
        generators: Of `seed_generators`; each gets a state of its own.
        seed: The run's seed.
        step: Global step.
        replica: Number of this replica among those in sync.
        micro: Number of the micro-batch.
        update: Number of the optimizer, for systems that run their networks more than once a step.
    """
    if not generators:
        return
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    for data in (replica, micro, update):
        key = tf.random.fold_in(key, tf.cast(data, tf.int64))
    states = tf.random.stateless_uniform([len(generators), 2], seed=key, minval=0, maxval=2**31 - 1, dtype=tf.int32)
    for generator, state in zip(generators, tf.unstack(states), strict=True):
        replicas.assign(generator.state, state)
