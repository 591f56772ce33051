"""An update equals plain Keras on one device, and itself under any split of the batch over replicas and micro-batches."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import RunError, UsageError
from kvision.engine import optimizers
from kvision.layers.normalization import BatchNormalization
from tests.unit.engine.rig import BATCH, Rig, assert_close, batch, small_net

BATCHES = [batch(0), batch(1), batch(2)]


def plain_keras(optimizer: keras.optimizers.Optimizer, clip_norm: float | None = None) -> list[np.ndarray]:
    """The weights after a step on each of BATCHES by `optimizer.apply`."""
    net = small_net()
    for whole in BATCHES:
        with tf.GradientTape() as tape:
            logits = net(whole["image"], training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(whole["mask"], logits))
        gradients = tape.gradient(loss, [variable.value for variable in net.trainable_variables])
        if clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
        optimizer.apply(gradients, net.trainable_variables)
    return [weight.numpy() for weight in net.weights]


KERAS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.Adam,
    "sgd": lambda lr: keras.optimizers.SGD(lr, momentum=0.9),
    "muon": lambda lr: keras.optimizers.Muon(lr, weight_decay=None, adam_weight_decay=None),
    **{name: base.__mro__[1] for name, base in optimizers.CLASSES.items() if name not in {"adam", "adamw", "sgd", "muon"}},
}


@pytest.mark.parametrize("name", sorted(KERAS))
def test_three_steps_equal_keras(name: str) -> None:
    expected = plain_keras(KERAS[name](0.01), clip_norm=0.5)
    rig = Rig(name=name, lr=0.01, clip_norm=0.5)
    rig.train(*BATCHES)
    assert_close(rig.weights(), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "reference"),
    [
        ({"name": "sgd", "momentum": 0.0}, lambda: keras.optimizers.SGD(0.01)),
        ({"name": "sgd", "momentum": 0.8, "nesterov": True}, lambda: keras.optimizers.SGD(0.01, momentum=0.8, nesterov=True)),
        ({"name": "rmsprop", "momentum": 0.5}, lambda: keras.optimizers.RMSprop(0.01, momentum=0.5)),
    ],
    ids=["sgd", "nesterov", "rmsprop with momentum"],
)
def test_variants_equal_keras(options: dict[str, object], reference: object) -> None:
    rig = Rig(lr=0.01, **options)
    rig.train(*BATCHES)
    assert_close(rig.weights(), plain_keras(reference()))


def test_weight_decay_is_for_kernels_and_equals_adamw() -> None:
    reference = keras.optimizers.AdamW(0.01, weight_decay=0.3)
    reference.exclude_from_weight_decay(var_names=["bias"])
    rig = Rig(name="adamw", lr=0.01, weight_decay=0.3)
    rig.train(*BATCHES)
    assert_close(rig.weights(), plain_keras(reference))


@pytest.mark.parametrize(
    ("name", "devices", "accumulate"),
    [("adamw", "cpu:2", 1), ("adamw", "cpu", 4), *((name, "cpu:2", 2) for name in ("adamw", "sgd", "nadam", "muon"))],
)
def test_replicas_and_micro_batches_equal_the_whole_batch(name: str, devices: str, accumulate: int) -> None:
    options = {"name": name, "lr": 0.01, "clip_norm": 0.5, "weight_decay": 0.1}
    whole, split = Rig("cpu", **options), Rig(devices, accumulate=accumulate, **options)
    assert whole.train(*BATCHES) == pytest.approx(split.train(*BATCHES), rel=1e-6)
    whole_state, split_state = whole.state(), split.state()
    assert list(whole_state) == list(split_state)
    assert_close(whole_state.values(), split_state.values())


def test_both_replicas_hold_the_same_bits() -> None:
    rig = Rig("cpu:2", name="adam")
    rig.train(*BATCHES)
    for variable in [weight.value for weight in rig.net.weights] + [slot.value for slot in rig.update.variables.values()]:
        first, second = rig.strategy.experimental_local_results(variable)
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_examples_of_weight_zero_do_not_count() -> None:
    half, whole = Rig(name="sgd", lr=0.1), Rig(name="sgd", lr=0.1)
    weighted = batch(0)
    weighted["weight"][4:] = 0.0
    changed = {key: value.copy() for key, value in weighted.items()}
    changed["image"][4:] = 9.0
    assert half.train(weighted) == whole.train(changed)
    assert_close(half.weights(), whole.weights())


def test_clipping_by_hand() -> None:
    free, clipped = Rig(name="sgd", momentum=0.0, lr=1.0), Rig(name="sgd", momentum=0.0, lr=1.0, clip_norm=0.01)
    start = free.weights()
    for rig in (free, clipped):
        rig.train(batch(0))
    gradients = [a - b for a, b in zip(start, free.weights(), strict=True)]
    norm = np.sqrt(sum(float(np.sum(g**2)) for g in gradients))
    assert norm > 0.01
    assert_close([a - g * 0.01 / norm for a, g in zip(start, gradients, strict=True)], clipped.weights())


def test_a_group_has_its_own_rate_and_decay_and_the_first_match_wins() -> None:
    groups = [{"match": "first/kernel", "lr_scale": 0.0}, {"match": "bias$", "lr_scale": 0.5, "weight_decay": 0.2}, {"match": "first"}]
    with pytest.raises(UsageError, match=r"optim.groups\[2\].match: all variables that 'first' matches belong to earlier groups"):
        Rig(groups=groups)
    plain = Rig(name="sgd", momentum=0.0, lr=0.1)
    grouped = Rig(name="sgd", momentum=0.0, lr=0.1, groups=groups[:2])
    for rig in (plain, grouped):
        rig.net.get_layer("last").bias.assign([1.0, 2.0, 3.0])
    start = plain.weights()
    for rig in (plain, grouped):
        rig.train(batch(0))
    moved = [after - before for before, after in zip(start, plain.weights(), strict=True)]
    first_kernel, first_bias, last_kernel, last_bias = grouped.weights()
    np.testing.assert_array_equal(first_kernel, start[0])
    np.testing.assert_allclose(first_bias, start[1] * (1 - 0.05 * 0.2) + 0.5 * moved[1], atol=1e-6)
    np.testing.assert_allclose(last_kernel, start[2] + moved[2], atol=1e-6)
    np.testing.assert_allclose(last_bias, start[3] * (1 - 0.05 * 0.2) + 0.5 * moved[3], atol=1e-6)


def test_a_frozen_group_begins_to_learn_at_its_share_of_the_run() -> None:
    rig = Rig(name="sgd", momentum=0.0, lr=0.1, weight_decay=0.1, groups=[{"match": "first", "frozen_until": 0.03}])
    seen = [rig.weights()]
    for step in range(6):
        rig.train(batch(step))
        seen.append(rig.weights())
    changed = [not np.array_equal(before[0], after[0]) for before, after in itertools.pairwise(seen)]
    assert changed == [False] * 3 + [True] * 3  # of 100 steps in all
    assert all(not np.array_equal(before[2], after[2]) for before, after in itertools.pairwise(seen))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([{"match": "frist/kernel"}], r"'frist/kernel' matches no trainable variable; close ones are .*first/kernel"),
        ([{"match": ".*", "lr_scale": 0.0}], r"every variable of 'net' is frozen by lr_scale: 0"),
    ],
)
def test_bad_groups(groups: list[dict[str, object]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Rig(groups=groups)


def test_micro_batches_must_be_equal() -> None:
    with pytest.raises(UsageError, match=r"a replica's 4 examples \(\w+\) can't be cut into 3 equal micro-batches; use a data.batch"):
        Rig("cpu:2", accumulate=3).train(batch(0))


def test_a_variable_without_gradient_is_named() -> None:
    rig = Rig()
    rig.losses = lambda part: tf.reduce_sum(rig.net.get_layer("first")(part["image"]), [1, 2, 3])
    with pytest.raises(RunError, match=r"the loss of update 'net' does not depend on last/kernel, last/bias; leave them out"):
        rig.train(batch(0))


@pytest.mark.parametrize("where", ["image", "weight"])
@pytest.mark.parametrize(("devices", "accumulate"), [("cpu", 1), ("cpu:2", 2)])
def test_a_bad_step_and_all_after_it_leave_everything_untouched(devices: str, accumulate: int, where: str) -> None:
    rig = Rig(devices, net=with_batch_norm, name="adam", accumulate=accumulate)
    bad = batch(1)
    bad[where][-1] = np.nan
    rig.train(batch(0))
    before = rig.state()
    losses = rig.train(bad, batch(2))
    # A ReLU by oneDNN makes 0 of NaN, so that an image may spoil the gradients alone.
    assert np.isnan(losses[0]) == (where == "weight")
    assert np.isfinite(losses[1])
    assert_close(before.values(), rig.state().values(), atol=0.0)
    assert int(tf.convert_to_tensor(rig.guard.first_bad)) == 1


def with_batch_norm() -> keras.Model:
    """The small net with moving statistics."""
    inner = small_net()
    x = keras.layers.BatchNormalization(synchronized=False)(inner.input)
    return keras.Model(inner.input, inner(x))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_replicas_whose_batch_norms_are_their_own_keep_the_mean_of_their_moving_statistics(accumulate: int) -> None:
    def net() -> keras.Model:
        inner = small_net()
        return keras.Model(inner.input, inner(BatchNormalization(synchronized=False, momentum=0.5)(inner.input)))

    whole = batch(0)
    whole["image"][BATCH // 2 :] += 3.0  # the second replica's
    rig = Rig("cpu:2", net=net, accumulate=accumulate)
    rig.train(whole)
    moving = np.stack([np.zeros(2), np.ones(2)])
    kept = []
    for half in np.split(whole["image"], 2):
        each = moving
        for part in np.split(half, accumulate):
            each = 0.5 * each + 0.5 * np.stack([part.mean((0, 1, 2)), part.var((0, 1, 2))])
        kept.append(each)
    for variable, expected in zip(rig.net.layers[1].non_trainable_variables, np.mean(kept, axis=0), strict=True):
        for copy in variable.value.values:
            np.testing.assert_allclose(copy.numpy(), expected, rtol=1e-5)

    bad = {**batch(1), "weight": np.full(BATCH, np.nan, np.float32)}
    rig.train(bad)
    for variable, expected in zip(rig.net.layers[1].non_trainable_variables, np.mean(kept, axis=0), strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5)


def test_plateau_reduces_the_rate_when_the_metric_stands_still() -> None:
    rig = Rig(schedule="plateau", lr=1.0, decay=0.5, patience_epochs=2)
    reduced = [rig.plateau.observe(value, "max") for value in (0.1, 0.2, 0.2, float("nan"), 0.1, 0.2, 0.3, 0.3)]
    assert reduced == [False, False, False, True, False, True, False, False]
    assert float(rig.update.learning_rate()) == pytest.approx(0.25)
    assert sorted(rig.plateau.variables) == ["plateau_best", "plateau_multiplier", "plateau_waited"]


def test_plateau_of_a_loss() -> None:
    rig = Rig("cpu:2", schedule="plateau", lr=1.0, decay=0.5, patience_epochs=1)
    assert [rig.plateau.observe(value, "min") for value in (2.0, 1.0, 1.5)] == [False, False, True]


def test_the_rate_follows_the_step_variable() -> None:
    rig = Rig(schedule="linear", lr=1.0)
    rig.train(batch(0))
    assert float(rig.update.learning_rate()) == pytest.approx(0.99)


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_state_has_stable_names_and_goes_on_where_it_was(devices: str) -> None:
    rig, other = Rig(devices, name="adamw", lr=0.01), Rig(devices, name="adamw", lr=0.01)
    rig.train(batch(0))
    assert list(rig.update.variables) == [f"net/0/{position:04d}" for position in range(9)]
    for target, source in [(other.net.weights, rig.net.weights), (other.update.variables.values(), rig.update.variables.values())]:
        for to, origin in zip(target, source, strict=True):
            to.assign(origin.numpy())
    other.step.assign(1)
    assert rig.train(batch(1), batch(2)) == other.train(batch(1), batch(2))
    assert_close(rig.weights(), other.weights(), atol=0.0)
