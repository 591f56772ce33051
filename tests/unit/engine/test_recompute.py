"""Steps that compute activations again are the plain steps, bit for bit: weights, moving statistics and the states of random layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError
from kvision.engine import profile, recompute, session, state
from kvision.engine.loop import Loop
from tests.unit.engine import tiny

SIZES = ["data.size_px=16", "data.batch=4", "data.train_size=8", "data.val_size=6", "train.steps=3"]


def opened(name: str, *overrides: str, devices: str = "cpu") -> session.Session:
    resolved = catalog.load(name, [*SIZES, *overrides])
    recipe = resolved.recipe
    return session.open_session(resolved, catalog.system(recipe.system), catalog.source(recipe.data.source), devices=devices)


def trained(made: session.Session, steps: int = 2) -> dict[str, np.ndarray]:
    Loop(made).train(steps)
    return state.read(made.variables())


UNET = ["model.width=4", "model.depth=1", "model.dropout=0.4"]


def test_two_steps_of_unet_with_batch_norm_and_dropout_are_the_plain_ones() -> None:
    plain, again = (opened("unet", *UNET, f"optim.recompute={flag}") for flag in ("false", "true"))
    stages = again.trained.net.segments
    assert len(stages) > 2
    assert sum(len(stage.nodes) for stage in stages) == len(plain.system.net.layers) - 1  # without the input
    assert again.trained.net.held < 0.8 * sum(cost.outputs for cost in profile.layers(plain.system.net))
    expected, found = trained(plain), trained(again)
    assert any(np.any(value != 0) for name, value in expected.items() if "moving_mean" in name)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_two_replicas_with_two_micro_batches_each_draw_the_same_numbers_twice() -> None:
    """To rounding: the replicas' gradients of the batch's statistics are added up in another order."""
    plain, again = (
        opened("unet", *UNET, "optim.name=sgd", "optim.accumulate=2", "optim.warmup_steps=0", f"optim.recompute={flag}", devices="cpu:2")
        for flag in ("false", "true")
    )
    expected, found = trained(plain, 1), trained(again, 1)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_evaluation_and_all_else_are_the_network_s_own() -> None:
    made = opened("unet", *UNET, "optim.recompute=true")
    image = np.random.default_rng(0).normal(size=[1, 16, 16, 3]).astype(np.float32)
    np.testing.assert_array_equal(made.trained.net(image), made.system.net(image, training=False))
    assert made.trained.net.trainable_variables == made.system.net.trainable_variables


def test_a_system_without_stages_says_so() -> None:
    with pytest.raises(RecipeError, match=r"optim\.recompute: true has no effect on sequence/char_rnn"):
        catalog.load("char_rnn", ["optim.recompute=true"])
    made = tiny.session()
    image = keras.Input([16, 16, 3])
    small = made.system.with_networks({"net": keras.Model(image, keras.layers.Conv2D(3, 1)(image))})
    with pytest.raises(UsageError, match=r"optim\.recompute: true .* segmentation/tiny, whose networks have one stage"):
        recompute.recomputing(small)
