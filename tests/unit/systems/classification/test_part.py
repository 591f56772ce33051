"""What classifiers share: losses by name, penalties, mixed examples, sums that add up, predictions and answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.data.preprocess import Preprocess
from kvision.losses import classification as losses
from kvision.systems.classification.resnet import ResNet
from tests.unit.systems.classification import examples
from tests.unit.systems.classification.examples import ONE, SEVERAL, batch

if TYPE_CHECKING:
    from kvision.data.source import DataInfo


def classifier(info: DataInfo = ONE, **loss: Any) -> ResNet:
    return examples.classifier(info, loss)


LOGITS = tf.constant(np.random.default_rng(1).normal(size=(6, 3)), tf.float32)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, lambda label: losses.cross_entropy(LOGITS, label)),
        ({"name": "ce", "label_smoothing": 0.1}, lambda label: losses.cross_entropy(LOGITS, label, label_smoothing=0.1)),
        ({"name": "hinge", "margin": 2.0}, lambda label: losses.hinge(LOGITS, label, margin=2.0)),
        ({"name": "squared_hinge"}, lambda label: losses.hinge(LOGITS, label, squared=True)),
        ({"name": "focal", "gamma": 1.0}, lambda label: losses.focal(LOGITS, label, gamma=1.0)),
        ({"name": "bootstrap_hard", "beta": 0.8}, lambda label: losses.bootstrapped(LOGITS, label, beta=0.8, hard=True)),
    ],
)
def test_each_name_is_its_loss_also_of_mixed_examples(options: dict[str, Any], expected: Any) -> None:
    system, given = classifier(**options), batch()
    np.testing.assert_allclose(system.losses(LOGITS, given), expected(given["label"]), rtol=1e-6)
    other, share = (given["label"] + 1) % 3, tf.linspace(0.0, 1.0, 6)
    mixed = system.losses(LOGITS, {**given, "other_label": other, "mix": share})
    np.testing.assert_allclose(mixed, share * expected(given["label"]) + (1 - share) * expected(other), rtol=1e-5)


def test_several_labels_take_a_yes_or_no_for_each_class() -> None:
    system, given = classifier(SEVERAL), batch()
    np.testing.assert_allclose(system.losses(LOGITS, given), losses.binary_cross_entropy(LOGITS, given["targets"]), rtol=1e-6)
    assert system.fields == {"image", "targets"}
    assert system.expected_initial_loss() == pytest.approx(math.log(2))


@pytest.mark.parametrize(("info", "name", "has"), [(ONE, "bce", "one class a picture"), (SEVERAL, "hinge", "several classes a picture")])
def test_a_loss_for_the_other_kind_of_data_is_refused(info: DataInfo, name: str, has: str) -> None:
    with pytest.raises(UsageError, match=f"loss.name: {name} does not fit data with {has}"):
        classifier(info, name=name)


def test_the_expected_initial_loss_is_that_of_equal_logits() -> None:
    for name in ("ce", "focal", "hinge", "squared_hinge"):
        system = classifier(name=name)
        assert float(system.losses(tf.zeros([1, 3]), {"label": tf.constant([1])})[0]) == pytest.approx(system.expected_initial_loss())


def test_l1_and_l2_are_of_the_kernels_alone() -> None:
    system = classifier(l1=0.01, l2=0.1)
    kernels = [variable.numpy() for variable in system.net.trainable_variables if variable.path.endswith("kernel")]
    assert len(kernels) < len(system.net.trainable_variables)
    expected = sum(0.01 * np.abs(kernel).sum() + 0.05 * np.square(kernel).sum() for kernel in kernels)
    assert float(system.penalty()) == pytest.approx(expected, rel=1e-5)
    plain = classifier()
    plain.net.set_weights(system.net.get_weights())
    np.testing.assert_allclose(system.example_losses(batch()), plain.example_losses(batch()) + expected, rtol=1e-4)


def test_sums_of_parts_are_the_sums_of_the_whole_and_weight_zero_adds_nothing() -> None:
    system, whole = classifier(), batch()
    expected, scores = system.eval_step(whole)
    parts = [system.eval_step({name: value[at] for name, value in whole.items()})[0] for at in (slice(0, 2), slice(2, 6))]
    padded = {name: tf.concat([value, value[:2]], axis=0) for name, value in whole.items()}
    padded["weight"] = tf.constant([1.0] * 6 + [0.0] * 2)
    with_padding = system.eval_step(padded)[0]
    for name, value in expected.items():
        np.testing.assert_allclose(parts[0][name] + parts[1][name], value, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(with_padding[name], value, rtol=1e-5, err_msg=name)
    assert {"worst", "least_sure"} <= set(scores)


def test_metrics_name_the_monitored_one() -> None:
    for info in (ONE, SEVERAL):
        system = classifier(info)
        found = system.metrics({name: np.asarray(value) for name, value in system.eval_step(batch())[0].items()})
        assert system.monitor.metric in found
        assert "loss" in found
        assert all(math.isfinite(value) for value in found.values())


def test_what_is_predicted_answered_and_kept_agrees() -> None:
    system = classifier()
    output = system.predict_step(batch()["image"])
    np.testing.assert_allclose(tf.reduce_sum(output["probabilities"], axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(output["classes"], np.argmax(output["probabilities"], axis=1))
    first = {name: value[0] for name, value in output.items()}
    served = system.answer(first, Preprocess(8, "resize", (0.5,) * 3, (0.2,) * 3), tf.constant(8), tf.constant(8))
    kept = system.prediction(np.zeros((8, 8, 3), np.uint8), {name: value.numpy() for name, value in first.items()})
    assert [name.decode() for name in served["class_names"].numpy()] == list(kept.facts["classes"])
    assert kept.facts["classes"] == pytest.approx(dict(zip(kept.facts["classes"], served["class_scores"].numpy().tolist(), strict=True)), abs=1e-6)
    assert list(kept.pictures) == ["answer"]
    assert classifier(SEVERAL).predict_step(batch()["image"])["classes"].shape == (6, 3)


def test_settings_that_the_loss_ignores_are_refused() -> None:
    recipe = classifier(gamma=3.0).recipe
    assert [path for path, _ in ResNet.check(recipe)] == ["loss.gamma"]


@pytest.mark.parametrize("tta", ["flip", "ten_crop"])
def test_test_time_augmentation_averages_logits_and_leaves_weights_and_training_alone(tta: str) -> None:
    plain, averaged, images = examples.classifier(), examples.classifier(tta=tta), examples.batch()["image"]
    assert [weight.path for weight in plain.net.weights] == [weight.path for weight in averaged.net.weights]
    averaged.net.set_weights(plain.net.get_weights())
    views = averaged.net.get_layer("views")(images, training=False)
    expected = np.mean(np.split(plain.net(views, training=False), {"flip": 2, "ten_crop": 10}[tta]), axis=0)
    np.testing.assert_allclose(averaged.net(images, training=False), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(averaged.predict_step(images)["probabilities"], tf.nn.softmax(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(averaged.net(images, training=True), plain.net(images, training=True), rtol=1e-4, atol=1e-5)
