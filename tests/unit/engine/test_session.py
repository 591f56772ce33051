"""Sessions: everything random comes from the seed, and weights come back as asked for."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from kvision.core.errors import RunError
from kvision.engine import artifacts, loop, session, state
from kvision.engine.checkpoint import Checkpoints
from kvision.engine.pretrained import Pretrained
from kvision.engine.settled import unsettled
from tests.fakes import FakeSource
from tests.unit.engine import tiny

if TYPE_CHECKING:
    from pathlib import Path


def test_weights_come_from_the_seed_alone() -> None:
    first, second = tiny.session(training=False), tiny.session(devices="cpu:2", training=False)
    np.testing.assert_equal(state.read(first.weights()), state.read(second.weights()))
    other = state.read(tiny.session(train={"seed": 1}, training=False).weights())
    assert not np.array_equal(other["net/net/conv2d/kernel"], state.read(first.weights())["net/net/conv2d/kernel"])
    assert (first.devices, second.devices) == (["cpu:0"], ["cpu:0", "cpu:1"])
    assert first.training is None
    assert set(first.variables()) == set(first.weights())


class Begun(tiny.Tiny):
    """Begins with weights that are all 3."""

    def pretrained(self, base: Path) -> Pretrained:
        del base
        return Pretrained({name: np.full(variable.shape, 3.0) for name, variable in state.weights(self.networks).items()}, "threes")


@pytest.mark.parametrize(
    ("training", "begin", "begun"), [(True, None, True), (False, None, False), (True, False, False), (False, True, True)], ids=str
)
def test_the_weights_that_a_training_begins_with_are_put_in_where_they_are_wanted(training: bool, begin: bool | None, begun: bool) -> None:
    made = session.open_session(tiny.resolved(), Begun, FakeSource, devices="cpu", training=training, begin=begin)
    assert all((value == 3.0).all() for value in state.read(made.weights()).values()) == begun


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, dict[str, np.ndarray]]]:
    """A run with checkpoints at steps 4 (best) and 8, and their states."""
    run_dir, states = tmp_path_factory.mktemp("run"), {}
    made = tiny.session()
    graphs = loop.Loop(made)
    for step in (4, 8):
        graphs.train(step)
        states[step] = state.read(made.variables())
        Checkpoints(run_dir / "checkpoints").save(states[step], {"step": step, "epoch": step // 4, "best_step": 4, "evaluated": "ema"})
    artifacts.write(made, run_dir)
    return run_dir, states


def averages(values: dict[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    return {name: values[f"train/ema/{number:04d}"] for number, name in enumerate(names)}


@pytest.mark.parametrize(("weights", "step", "averaged"), [("best", 4, True), ("last", 8, False), ("ema", 8, True)])
def test_best_last_and_averaged_weights(run: tuple[Path, dict[int, dict[str, np.ndarray]]], weights: str, step: int, averaged: bool) -> None:
    run_dir, states = run
    made = tiny.session(training=False, train={"seed": 5})
    assert session.restore(made, run_dir, weights).step == step
    names = list(made.weights())
    expected = averages(states[step], names) if averaged else {name: states[step][name] for name in names}
    np.testing.assert_equal(state.read(made.weights()), expected)
    made.system.net.load_weights(run_dir / "weights" / f"{weights}.weights.h5")
    np.testing.assert_equal(state.read(made.weights()), expected)


def test_a_checkpoint_folder_can_be_named_itself(run: tuple[Path, dict[int, dict[str, np.ndarray]]]) -> None:
    run_dir, states = run
    made = tiny.session(training=False)
    assert session.restore(made, run_dir / "checkpoints" / "step-00000004", "last").step == 4
    np.testing.assert_equal(state.read(made.weights()), {name: states[4][name] for name in made.weights()})


def test_of_damaged_checkpoints_the_one_before_is_used_and_it_says_so(
    run: tuple[Path, dict[int, dict[str, np.ndarray]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run[0], tmp_path / "run")
    made = tiny.session(training=False)
    (copy / "checkpoints/step-00000008/state.safetensors").write_bytes(b"torn")
    assert session.restore(made, copy, "last").step == 4
    assert re.search(
        r"^warning: .*step-00000008/state.safetensors is damaged: 4 bytes .*; going on from the checkpoint before it, step-00000004$",
        capsys.readouterr().err,
        re.MULTILINE,
    )
    (copy / "checkpoints/step-00000004/state.safetensors").write_bytes(b"torn")
    with pytest.raises(RunError, match=r"step-00000004/state.safetensors is damaged: .*; it held the best weights, .* others are .*step-00000008"):
        session.restore(made, copy, "best")


def test_the_keras_model_says_what_the_best_weights_say(run: tuple[Path, dict[int, dict[str, np.ndarray]]]) -> None:
    made = tiny.session(training=False)
    session.restore(made, run[0], "best")
    image = np.random.default_rng(0).normal(size=[2, 16, 16, 3]).astype(np.float32)
    model = keras.saving.load_model(run[0] / "model.keras", compile=False)
    np.testing.assert_array_equal(model(image).numpy(), made.system.net(image).numpy())


def test_there_must_be_a_checkpoint_and_an_average(tmp_path: Path) -> None:
    made = tiny.session(optim={"ema": None})
    with pytest.raises(RunError, match=r"has no checkpoint; is it a run folder\?"):
        session.restore(made, tmp_path)
    Checkpoints(tmp_path / "checkpoints").save(state.read(made.variables()), {"step": 1, "epoch": 0})
    with pytest.raises(RunError, match=r"has no averaged weights, for the recipe has no optim.ema or swa_from; use best or last"):
        session.restore(made, tmp_path, "ema")


def test_steps_of_a_run() -> None:
    system = tiny.session(training=False).system
    assert session.total_steps(tiny.resolved(train={"epochs": 3}).recipe, system, 6) == 18
    assert session.total_steps(tiny.resolved(train={"epochs": 3, "steps": 7}).recipe, system, 6) == 7
    assert session.total_steps(tiny.resolved(train={"epochs": 3, "steps": 70}).recipe, system, 6) == 18


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_what_is_fitted_is_fitted_to_all_examples_before_the_only_step(devices: str) -> None:
    made = tiny.session(system=tiny.Fitted, devices=devices)
    shown = made.pipeline.examples("train")
    assert sum(len(batch["index"]) for batch in shown) == 24
    expected = np.concatenate([batch["image"] for batch in made.pipeline.examples("train")]).mean((0, 1, 2))
    np.testing.assert_array_equal(made.system.mean.numpy(), np.resize(expected, 4))
    assert made.for_training.total == made.chosen()["train.steps"].value == 1
    before = state.read(made.weights())
    assert np.isfinite(loop.Loop(made).train(1).loss)
    for name, value in state.read(made.weights()).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_session_that_others_weights_follow_is_not_fitted() -> None:
    assert not tiny.session(system=tiny.Fitted, training=False).system.mean.numpy().any()


def test_runs_too_short_for_batch_norm_are_warned_of() -> None:
    networks = tiny.session(training=False).system.networks
    assert "49 steps with momentum 0.9" in (unsettled(networks, 49) or "")
    assert unsettled(networks, 50) is None
    assert unsettled({}, 1) is None
    networks["net"].trainable = False
    assert unsettled(networks, 1) is None  # frozen ones keep what they have


@pytest.mark.parametrize(("chosen", "synchronized"), [("synchronized", True), ("per_replica", False)])
def test_the_recipe_says_over_what_batch_normalisation_takes_its_statistics(chosen: str, synchronized: bool) -> None:
    session = tiny.session(training=False, train={"batch_norm": chosen})
    assert session.system.net.get_layer("norm").synchronized is synchronized
