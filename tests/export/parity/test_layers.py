"""A network that int8 does badly on purpose: one channel of one layer is a thousand times the others, and the next layer undoes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kvision_export.formats import FORMATS, parse
from kvision_export.parity import layers
from kvision_export.tflite import convert
from kvision_export.tflite.calibration import Calibration


def outlying(net: keras.Model, first: str, second: str, factor: float = 1e3) -> None:
    """Scales channel 0 between two layers; the network computes the same."""
    before, after = net.get_layer(first), net.get_layer(second)
    scales = np.ones(before.kernel.shape[-1])
    scales[0] = factor
    before.kernel.assign(before.kernel.numpy() * scales)
    before.bias.assign(before.bias.numpy() * scales)
    kernel = after.kernel.numpy()
    kernel[:, :, 0] /= factor
    after.kernel.assign(kernel)


@dataclass(frozen=True)
class Net:
    net: keras.Model

    def networks(self) -> dict[str, Any]:
        return {"predict": self.net}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray]:
    keras.utils.set_random_seed(0)
    image = x = keras.Input((8, 8, 3), name="image")
    for name in "abcd":
        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name=name)(x)
    net = keras.Model(image, keras.layers.Conv2D(2, 1, name="end")(x))
    outlying(net, "b", "c")
    images = np.random.default_rng(0).standard_normal((16, 8, 8, 3)).astype(np.float32)
    folder = tmp_path_factory.mktemp("bad")
    outs = {each: folder / f"{each.short}.tflite" for each in parse(["tflite-fp32,tflite-int8"])}
    ranges = Calibration(names=(), indices=(), inputs={"predict": {"image": images}}, seed=0, classes={}, shared=(), sha256="")
    for each in convert.convert_many(Net(net), outs, calibration=ranges).values():
        assert isinstance(each, convert.Converted), each
    exact, int8 = outs[FORMATS["tflite-fp32"]], outs[FORMATS["tflite-int8"]]
    return exact, int8, images


def test_the_layer_with_the_outlier_is_the_worst(bad) -> None:
    exact, int8, images = bad
    worst = layers.rank(exact, int8, {"predict": {"image": images}})
    first = worst[0]
    assert (first.op, first.signature) == ("CONV_2D", "predict")
    assert "/b" in first.layer
    assert first.added > 0.5
    assert [each.added for each in worst] == sorted((each.added for each in worst), reverse=True)
    # The signal to noise of the whole tensor does not show it: the great channel is exact.
    assert first.sqnr_db > 30
    assert len(first.touching) == 2
    assert any("/b" in name for name in first.touching)
    assert any("/c" in name for name in first.touching)


def test_a_file_beside_itself_loses_nothing(bad) -> None:
    exact, _, images = bad
    worst = layers.rank(exact, exact, {"predict": {"image": images}}, examples=2)
    assert len(worst) == 5
    assert all(each.loss == 0 and each.added == 0 and each.sqnr_db == 200 for each in worst)


def test_loss_by_hand() -> None:
    """Channel 0 varies by 1 and is off by 0.5; channel 1 varies by 1 and is exact: (0.25 + 0) / 2."""
    channels = layers._Channels()
    channels.add(np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([[-1.5, -1.0], [1.5, 1.0]]))
    assert channels.loss() == pytest.approx(0.125, rel=2e-3)
    assert channels.sqnr_db() == pytest.approx(10 * np.log10(4 / 0.5))
    channels.add(np.zeros((2, 2)), np.full((2, 2), np.nan))
    assert channels.loss() == 1.0
