"""The encoder: a small body, or any classifier's, with its weights, its frozen layers and its rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.engine import pretrained, state
from kvision.systems.captioning.show_attend_tell import ShowAttendTell
from tests.unit.systems.captioning import examples

RESNET: dict[str, Any] = {"depth": 8, "filters": [4, 6, 8]}


def told(**encoder: Any) -> dict[str, str]:
    return dict(ShowAttendTell.check(examples.recipe(encoder=encoder)))


def test_a_classifier_s_map_before_its_mean_is_what_is_seen() -> None:
    system = examples.captioner(encoder={"system": "classification/resnet", "model": RESNET})
    assert system.grid == (4, 4)
    assert system.encode(examples.batch()["image"])["features"].shape == (4, 16, 8)
    assert not any("logits" in variable.path for variable in system.networks["encode"].variables)


def test_a_frozen_body_begins_with_the_classifier_s_weights_and_does_not_learn(tmp_path: Path) -> None:
    from kvision import catalog

    plain = examples.captioner(encoder={"system": "classification/resnet", "model": RESNET})
    assert plain.pretrained(Path()) is None
    classifier = plain._encoder._classifier  # type: ignore[union-attr]
    assert type(classifier) is catalog.system("classification/resnet")
    assert classifier is not None
    classifier.net.save(tmp_path / "model.keras")
    frozen = {**RESNET, "weights": str(tmp_path / "model.keras"), "transfer": "freeze"}
    system = examples.captioner(encoder={"system": "classification/resnet", "model": frozen})
    for variable in system.networks["encode"].variables:
        variable.assign(np.zeros(variable.shape))
    given = system.pretrained(Path())
    assert given is not None
    left = pretrained.put(system.networks, given)
    assert left
    assert all(name.startswith(("encode/keys", "encode/first", "step/")) for name in left)
    values, ours = state.read(state.weights(plain.networks)), state.read(state.weights(system.networks))
    assert all(np.array_equal(values[name], ours[name]) for name in ours if name not in left)
    learnt = {variable.path for variable in system.trainables()["net"]}
    assert not any("conv" in path for path in learnt)
    assert any("keys" in path for path in learnt)


def test_a_fine_tuned_body_has_a_rate_of_its_own() -> None:
    model = {**RESNET, "weights": "run", "transfer": "fine_tune", "body_lr_scale": 0.2, "thaw_at": 0.5}
    (group,) = examples.captioner(encoder={"system": "classification/resnet", "model": model}).groups()
    assert (group.lr_scale, group.frozen_until) == (0.2, 0.5)


def test_what_does_not_go_together_is_told() -> None:
    assert "set model.encoder.system" in told(model={"depth": 8})["model.encoder.model"]
    assert told(filters=(4,) * 5) == {"model.encoder.filters": "5 stages do not divide size_px=16 by 32; use fewer"}
    assert "are of the body of its own, not of classification/lenet's" in told(system="classification/lenet", filters=(8,))["model.encoder.filters"]
    assert "give a classifier" in told(system="segmentation/unet")["model.encoder.model"]
    assert "did you mean" in told(system="classification/resnte")["model.encoder.system"]
    assert "deepth" in told(system="classification/resnet", model={"deepth": 8})["model.encoder.model"]
    assert "knn fits a classifier's head" in told(system="classification/resnet", model={"transfer": "knn"})["model.encoder.model"]
    with pytest.raises(UsageError, match=r"model\.encoder\.system: classification/mlp with these options has no map of features; use another"):
        examples.captioner(encoder={"system": "classification/mlp", "model": {"hidden": [4]}})
