"""What the tests say of given numbers, without a network."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from kvision.engine.sanity import activations, gradients, initial_loss, inputs, labels, overfit, regularisation, updates
from kvision.engine.sanity.verdict import judge
from tests.unit.engine.sanity import faulty

IMAGES = np.random.default_rng(0).normal(size=[8, 6, 6, 3])
RAW = [np.array([[[0, 100, 255]]], np.uint8)]


@pytest.mark.parametrize(
    ("value", "status"), [(1.0, "pass"), (2.0, "pass"), (3.0, "pass"), (0.99, "warn"), (3.01, "warn"), (math.nan, "warn"), (math.inf, "warn")]
)
def test_the_ends_of_a_range_are_accepted_and_nan_never(value: float, status: str) -> None:
    found = judge("x", value, low=1.0, high=3.0, good="good", bad="bad", otherwise="warn")
    assert (found.status, found.message) == (status, "good" if status == "pass" else "bad")


def test_inputs() -> None:
    assert [verdict.status for verdict in inputs.check(IMAGES, RAW)] == ["pass"] * 3
    dark = inputs.check(IMAGES, [np.array([[[0, 1, 1]]], np.uint8)])[0]
    assert (dark.status, dark.value) == ("fail", 1)
    assert "values from 0 to 1 of 0..255: they look as if they had been divided by 255 once too often" in dark.message
    constant = IMAGES * [1.0, 0.0, 1.0]
    _, mean, std = inputs.check(constant, RAW)
    assert (mean.status, std.status, std.value) == ("pass", "fail", 0.0)
    assert std.message == "channel 1 is constant and tells nothing; give pictures in which it varies"
    broken = IMAGES.copy()
    broken[0, 0, 0, 0], broken[1, 0, 0, 2] = np.nan, np.inf
    _, mean, std = inputs.check(broken, RAW)
    assert mean.status == std.status == "fail"
    assert mean.message.startswith("2 of 864 values are NaN or infinite")


@pytest.mark.parametrize(
    ("loss", "expected", "status"),
    [(2.4, math.log(10), "pass"), (23.0, math.log(10), "fail"), (0.2, math.log(10), "fail"), (9.1, 9.0, "pass"), (27.0, 9.0, "warn"),
     (1.0, None, "skip"), (math.nan, 2.3, "fail"), (math.inf, None, "fail")],
)  # fmt: skip
def test_initial_loss(loss: float, expected: float | None, status: str) -> None:
    assert initial_loss.verdict(loss, expected).status == status


def outputs(values: np.ndarray, relu: bool = False) -> activations.Outputs:
    found = activations.Outputs(relu)
    found.add(values)
    return found


def test_activations_by_hand() -> None:
    fine = outputs(np.array([[3.0, -4.0], [0.0, 0.0]]), relu=True)
    assert (fine.rms, fine.dead) == (2.5, 0.5)
    fine.add(np.array([[0.0, 1.0]]))
    assert fine.dead == 0.0
    assert activations.scale({"a": fine, "zeros": outputs(np.zeros([2, 2]))}).value == fine.rms
    assert activations.scale({"a": fine, "b": outputs(np.full([2, 2], 1e4))}).message.startswith("what b gives explodes")
    assert activations.scale({"a": fine, "b": outputs(np.array([[np.nan]]))}).message.startswith("what b gives is not finite")
    assert activations.scale({"zeros": outputs(np.zeros([2, 2]))}).status == "skip"


def test_dead_units_are_counted_in_relus_alone() -> None:
    dead, alive = outputs(np.zeros([4, 3]), relu=True), outputs(np.ones([4, 9]), relu=True)
    found = activations.dead({"dead": dead, "alive": alive, "other": outputs(np.zeros([4, 5]))}, 7)
    assert (found.status, found.value) == ("fail", 1.0)
    assert "units of dead that answer to nothing after 7 steps (25.0% of all)" in found.message
    assert activations.dead({"other": outputs(np.zeros([4, 5]))}, 7).status == "skip"


@pytest.mark.parametrize(
    ("layer", "relu"),
    [(keras.layers.ReLU(), True), (keras.layers.ReLU(negative_slope=0.1), False), (keras.layers.Dense(2, activation="relu"), True),
     (keras.layers.Activation("relu6"), True), (keras.layers.Dense(2), False), (keras.layers.LeakyReLU(), False)],
)  # fmt: skip
def test_which_layers_are_relus(layer: keras.Layer, relu: bool) -> None:
    assert activations._is_relu(layer) is relu


def test_gradients_by_hand() -> None:
    assert gradients.relative_error(1.0, 0.99, 0.1) == pytest.approx(0.01)
    assert gradients.relative_error(1e-9, 0.0, 1e-3) == pytest.approx(1e-6)
    good = gradients.verdict({"a": 1e-7, "b": 3e-6})
    assert (good.status, good.value, good.message) == ("pass", 3e-6, "largest relative error of 2 variables, at b")
    bad = gradients.verdict({"a": 1e-7, "b": 0.5, "c": math.nan, "d": 0.1, "e": 0.1})
    assert bad.status == "fail"
    assert bad.message.startswith("the gradient of b, c, d is wrong (4 variables in all)")


def test_a_loss_that_narrows_its_inputs_is_not_judged() -> None:
    import tensorflow as tf

    from kvision.engine.sanity import suite

    class Narrow(faulty.Sound):
        def losses(self, logits, batch):
            return super().losses(tf.cast(logits, tf.float32), batch)

    session = suite._open(faulty.resolved(), Narrow, faulty.Source)
    found = gradients.check(session.system, next(iter(session.pipeline.train(0))))
    assert keras.config.floatx() == keras.config.dtype_policy().name == keras.layers.Dense(1, dtype="float32").compute_dtype == "float32"
    assert (found.status, found.message) == (
        "skip", "the loss of net is not computed in float64 for float64 inputs; let it keep the inputs' dtype",
    )  # fmt: skip


def test_overfit_tells_slow_from_stuck() -> None:
    slow, stuck = np.linspace(2.0, 1.0, 50), np.r_[2.0, np.full(50, 1.0)]
    assert "it was still falling" in overfit.verdict(slow, 20).message
    assert "it no longer fell" in overfit.verdict(stuck, 20).message
    assert "it grew: try a smaller optim.lr" in overfit.verdict(np.geomspace(2.0, 1e4, 50)[np.r_[:40, 30:20:-1]], 20).message
    learnt = overfit.verdict(np.r_[2.0, np.full(9, 0.05)], 20)
    assert (learnt.status, learnt.high, learnt.message) == ("pass", 0.1, "20 examples learnt by heart in 10 steps, from a loss of 2")
    assert overfit.verdict(np.array([2.0, math.nan]), 20).status == "fail"


def test_update_ratios_by_hand() -> None:
    before, after = {"a": np.array([[3.0, 4.0]]), "b": np.ones([2, 2])}, {"a": np.array([[3.0, 4.005]]), "b": np.ones([2, 2])}
    assert updates.ratios(before, after) == {"a": pytest.approx(1e-3), "b": 0.0}
    found = updates.ratio({"a": 1e-3, "b": 0.0}, 5)
    assert (found.status, found.value) == ("pass", 1e-3)
    assert found.message.endswith("after 5 steps; 1 did not move")
    fast = updates.ratio({"a": 0.2, "b": 0.1, "c": 1e-3}, 5)
    assert (fast.status, fast.value) == ("warn", 0.1)
    assert "2 lie outside, the farthest a at 0.2: try a smaller optim.lr" in fast.message
    assert updates.ratio({"a": 0.0}, 5).status == "warn"


def test_labels_are_judged_by_what_is_left_of_the_gain() -> None:
    learnt, nothing = labels.Gain(0.4, 0.001, 0.8, 0.1), labels.Gain(0.01, 0.001, 0.11, 0.1)
    assert [verdict.status for verdict in labels.check(learnt, nothing, 10, "top1")] == ["pass", "pass"]
    assert [verdict.status for verdict in labels.check(nothing, nothing, 10, "top1")] == ["fail", "pass"]
    assert [verdict.status for verdict in labels.check(learnt, learnt, 10, "top1")] == ["pass", "fail"]
    noisy = labels.Gain(0.4, 0.1, 0.8, 0.1)
    assert labels.check(noisy, nothing, 10, "top1")[0].low == 0.5
    assert {verdict.status for verdict in labels.too_few(4)} == {"skip"}


def test_random_pairings_leave_no_example_its_own_labels() -> None:
    generator = np.random.default_rng(0)
    for num in (2, 3, 17):
        order = labels._moved(generator, num)
        assert sorted(order) == list(range(num))
        assert (order != np.arange(num)).all()


def test_exchanged_labels_leave_pictures_and_weights() -> None:
    import tensorflow as tf

    batch = {name: tf.range(3) for name in ("image", "index", "weight", "label", "other_label")}
    found = {name: value.numpy().tolist() for name, value in labels.exchanged(batch).items()}
    assert found == {"image": [0, 1, 2], "index": [0, 1, 2], "weight": [0, 1, 2], "label": [2, 0, 1], "other_label": [2, 0, 1]}


def test_regularisation_is_made_stronger_where_the_recipe_has_it() -> None:
    none = faulty.resolved().recipe
    assert regularisation.used(none) == {}
    groups = ({"match": "kernel", "weight_decay": 0.1}, {"match": "bias", "weight_decay": 0.0}, {"match": "x"})
    given = faulty.resolved(optim={**faulty.OPTIM, "lr": 0.05, "weight_decay": 0.01, "groups": groups}).recipe
    assert regularisation.used(given) == {"optim.weight_decay": 0.01, "optim.groups[0].weight_decay": 0.1}
    strong = regularisation.stronger(none.model_copy(update={"optim": none.optim.model_copy(update={"lr": 0.05})}), given)
    assert strong.optim.weight_decay == pytest.approx(10.0)  # times the rate 0.05: a half a step
    assert [group.weight_decay for group in strong.optim.groups] == [pytest.approx(10.0), 0.0, None]
    found = regularisation.verdict(np.full(20, 0.5), np.full(20, 1.0), {"loss.l2": 1e-4})
    assert (found.status, found.value) == ("pass", 2.0)
    assert regularisation.verdict(np.full(20, 0.5), np.full(20, 0.5), {"loss.l2": 1e-4}).message.startswith(
        "made strong enough to stop all learning, loss.l2=0.0001 does not raise the loss (0.5 without, 0.5 with)"
    )


def test_penalties_of_the_loss_are_found_and_made_strong() -> None:
    from kvision.core.schema import Section

    class Loss(Section):
        l2: float = 1e-4
        l1: float = 0.0

    given = faulty.resolved().recipe.model_copy(update={"loss": Loss()})
    assert regularisation.used(given) == {"loss.l2": 1e-4}
    assert regularisation.stronger(given, given).loss == Loss(l2=1.0)
