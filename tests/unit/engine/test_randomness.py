"""Dropout is a pure function of seed, step and place in the batch; that of Keras, of seed, step, replica and micro-batch."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import randomness
from kvision.layers.dropout import Dropout
from tests.unit.engine.rig import Rig, assert_close, batch, small_net

dropping = functools.partial(small_net, dropout=0.5)


def outputs(net: object, generators: object, *key: int) -> np.ndarray:
    """What the network says after `reseed`."""
    randomness.reseed(generators, *key)
    return net(batch(0)["image"], training=True).numpy()


def test_equal_keys_give_equal_masks_and_others_others() -> None:
    net = dropping()
    generators = randomness.seed_generators([net, net])
    assert len(generators) == 1
    first = outputs(net, generators, 7, 3, 0, 0)
    np.testing.assert_array_equal(first, outputs(net, generators, 7, 3, 0, 0))
    for key in [(8, 3, 0, 0), (7, 4, 0, 0), (7, 3, 1, 0), (7, 3, 0, 1), (7, 3, 0, 0, 1)]:
        assert not np.array_equal(first, outputs(net, generators, *key)), key


def test_nothing_to_do_without_random_layers() -> None:
    assert randomness.seed_generators([small_net()]) == []
    randomness.reseed([], 0, 0)


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_a_resumed_run_drops_what_an_uninterrupted_one_drops(devices: str) -> None:
    whole, resumed = Rig(devices, net=dropping, name="sgd"), Rig(devices, net=dropping, name="sgd", momentum=0.9)
    whole.train(batch(0))
    for to, origin in zip(resumed.net.weights, whole.net.weights, strict=True):
        to.assign(origin.numpy())
    for to, origin in zip(resumed.update.variables.values(), whole.update.variables.values(), strict=True):
        to.assign(origin.numpy())
    resumed.step.assign(1)
    assert whole.train(batch(1)) == resumed.train(batch(1))
    assert_close(whole.weights(), resumed.weights(), atol=0.0)


def test_replicas_and_micro_batches_drop_differently() -> None:
    same = batch(0)
    for key in ("image", "mask"):
        same[key][:] = same[key][:1]
    rig = Rig("cpu:2", net=dropping, accumulate=2)

    def parts(share: object) -> tf.Tensor:
        seen: list[tf.Tensor] = []
        rig.update.minimize(lambda part: (seen.append(rig.losses(part)), seen[-1])[1], share)
        return tf.stack(seen)

    whole = rig.strategy.experimental_distribute_values_from_function(lambda _: {key: tf.constant(value[:4]) for key, value in same.items()})
    values = rig.strategy.experimental_local_results(tf.function(lambda: rig.strategy.run(parts, args=(whole,)), autograph=False)())
    means = [float(value) for pair in values for value in tf.reduce_mean(pair, axis=1)]
    assert len(set(means)) == 4


@pytest.mark.parametrize(("devices", "accumulate"), [("cpu:2", 1), ("cpu", 4), ("cpu:2", 2)])
def test_replicas_and_micro_batches_drop_what_the_whole_batch_does(devices: str, accumulate: int) -> None:
    net = functools.partial(dropping, kind=Dropout)
    whole, split = (Rig(*where, net=net, name="sgd", lr=0.1, accumulate=parts) for where, parts in (((), 1), ((devices,), accumulate)))
    batches = [batch(0), batch(1)]
    assert whole.train(*batches) == pytest.approx(split.train(*batches), rel=1e-6)
    assert_close(whole.weights(), split.weights())
