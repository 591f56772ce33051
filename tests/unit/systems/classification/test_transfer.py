"""Transfer: what learns, how fast, and options that don't go together."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError, UsageError
from kvision.systems.classification import _transfer
from kvision.systems.classification.resnet import ResNet
from tests.unit.systems.classification import examples

if TYPE_CHECKING:
    from pathlib import Path


def classifier(**model: Any) -> ResNet:
    return examples.classifier(**model)


def test_a_frozen_body_leaves_the_logits_alone_to_learn() -> None:
    system = classifier(weights="x", transfer="freeze")
    assert {variable.path.split("/")[-2] for variable in system.trainables()["net"]} == {"logits"}
    before = system.net.get_layer("stem_norm").moving_mean.numpy()
    system.net(tf.random.normal((4, 8, 8, 3)), training=True)
    np.testing.assert_array_equal(system.net.get_layer("stem_norm").moving_mean, before)


def test_fine_tuning_keeps_statistics_and_slows_the_body() -> None:
    system = classifier(weights="x", transfer="fine_tune", body_lr_scale=0.5, thaw_at=0.25)
    assert not any("norm" in variable.path for variable in system.trainables()["net"])
    (group,) = system.groups()
    assert (group.lr_scale, group.frozen_until) == (0.5, 0.25)
    found = {variable.path for variable in system.trainables()["net"] if re.search(group.match, variable.path)}
    assert found == {variable.path for variable in system.trainables()["net"] if "logits" not in variable.path}


def test_fine_tuning_keeps_statistics_of_norms_within_layers_too() -> None:
    image = keras.Input((8, 8, 3))
    block = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()], name="block")
    net = keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.Flatten()(block(image))))
    _transfer.freeze(net, _transfer.TransferOptions(weights="x", transfer="fine_tune"))
    assert [variable.path.split("/")[-1] for variable in net.trainable_variables] == ["kernel", "bias"] * 2


def test_rates_fall_from_the_logits_to_the_first_layers() -> None:
    system = classifier(weights="x", transfer="fine_tune", layer_decay=0.5)
    groups, paths = system.groups(), [variable.path for variable in system.trainables()["net"]]
    scales = [next((group.lr_scale for group in groups if re.search(group.match, path)), 1.0) for path in paths]
    assert scales == sorted(scales)
    assert scales[-1] == 1.0
    assert max(scales[:-2]) == pytest.approx(0.1)
    assert scales[0] == pytest.approx(0.1 * 0.5 ** (len(groups) - 1))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"transfer": "freeze"}, ("model.transfer", "freeze keeps weights, but there are none")),
        ({"weights": "x", "layer_decay": 0.9}, ("model.layer_decay", "0.9 has no effect on transfer=none")),
        ({"weights": "x", "transfer": "freeze", "thaw_at": 0.5}, ("model.thaw_at", "0.5 has no effect on transfer=freeze")),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], fault: tuple[str, str]) -> None:
    ((path, message),) = ResNet.check(classifier(**options).recipe)
    assert path == fault[0]
    assert message.startswith(fault[1])


def test_weights_of_another_run_begin_this_one(tmp_path: Path) -> None:
    other = classifier()
    other.net.save(tmp_path / "other.keras")
    given = classifier(weights="other.keras").pretrained(tmp_path)
    assert given is not None
    np.testing.assert_array_equal(given.values["net/stem_conv/kernel"], other.net.get_layer("stem_conv").kernel)
    assert classifier().pretrained(tmp_path) is None


def test_no_published_weights_are_told() -> None:
    with pytest.raises(UsageError, match="no ImageNet weights are known for classification/resnet with these options"):
        classifier(weights="imagenet").pretrained(None)


def test_every_head_has_the_name_that_transfer_knows() -> None:
    assert classifier().net.layers[-1].name == _transfer.HEAD


def test_the_examples_that_vote_are_counted_before_the_network_is_built() -> None:
    def settled(several: bool = False, **values: Any) -> dict[str, Any]:
        source = SimpleNamespace(info=examples.SEVERAL if several else examples.ONE, split=lambda name: range(60))
        found = _transfer.settle(_transfer.TransferOptions(weights="x", **values), source)
        return {path: choice.value for path, choice in found.items()}

    assert settled(transfer="knn") == {"model.knn_examples": 60}
    assert settled(transfer="knn", knn_examples=7) == settled(transfer="freeze") == {}
    with pytest.raises(DataError, match=r"model\.knn_k: 61 of 60 training examples can't vote; use at most 60, or auto"):
        settled(transfer="knn", knn_k=61)
    with pytest.raises(UsageError, match=r"model\.transfer: knn votes for one class"):
        settled(several=True, transfer="knn")
    layer = _transfer.neighbours(_transfer.TransferOptions(weights="x", transfer="knn", knn_examples=7), 3)
    assert (layer.num_examples, layer.num_classes, layer.largest_k, layer.metric, layer.name) == (7, 3, 7, "cosine", "logits")


def test_a_kind_of_transfer_takes_its_own_options_and_leaves_the_others() -> None:
    values = _transfer.TransferOptions.of_kind("fine_tune")
    assert values == {"transfer": "fine_tune", "probe": "logistic", "probe_c": "auto", "knn_k": "auto", "knn_examples": "auto"}
    assert _transfer.TransferOptions.of_kind("none").items() >= {"transfer": "none", "weights": None, "layer_decay": 1.0}.items()
