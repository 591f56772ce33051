"""Every property on every system of the catalogue: a new system is tested because it exists.

A property is the name of a test without `test_`; a system that can't have one says so in `exempt`, with the reason.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.engine import checkpoint, state
from kvision.engine.loop import Loop
from tests.conformance import subject
from tests.conformance.subject import every_system

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.engine.session import Session
    from kvision.engine.system import Batch

AT_ONCE = ("optim.warmup_steps=0", "optim.schedule=constant")


class Recorder:
    """Stands in for an `Update`: remembers the gradients and changes nothing."""

    def __init__(self, variables: list[keras.Variable]) -> None:
        self.variables = variables
        self.gradients: list[tf.Tensor | None] = []

    def minimize(self, loss: Any, batch: Batch) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(tf.cast(loss(batch), tf.float32))
        self.gradients = tape.gradient(value, [variable.value for variable in self.variables])
        return value


def first_batch(session: Session) -> Batch:
    return next(iter(session.pipeline.train(0)))


def weights(session: Session) -> dict[str, np.ndarray]:
    return state.read(session.weights())


@every_system
def test_builds(name: str) -> None:
    system = subject.build(name)
    assert system.networks
    for net in system.networks.values():
        paths = [variable.path for variable in net.variables]
        assert len(set(paths)) == len(paths)
    assert all(np.isfinite(output).all() for output in subject.outputs(system.net))
    assert system.monitor.mode in ("max", "min")


@every_system
def test_golden(name: str) -> None:
    golden, measured = subject.read_golden(name), subject.measure(name)
    assert measured["parameters"] == golden["parameters"]
    np.testing.assert_allclose(measured["outputs"], golden["outputs"], rtol=0, atol=golden["tolerance"])
    assert max(abs(value) for value in golden["outputs"]) > 100 * golden["tolerance"], "the tolerance swallows the numbers"


@every_system
def test_gradients(name: str) -> None:
    session = subject.open_session(name, training=False)
    recorders = {role: Recorder(list(variables)) for role, variables in session.system.trainables().items()}
    session.system.train_step(first_batch(session), recorders)
    for role, recorder in recorders.items():
        assert recorder.variables, f"{role} has nothing to train"
        for variable, gradient in zip(recorder.variables, recorder.gradients, strict=True):
            assert gradient is not None, f"{role}: {variable.path} gets no gradient"
            assert np.isfinite(gradient).all(), variable.path
            assert np.any(gradient), f"{role}: the gradient of {variable.path} is all zeros"


@every_system
def test_overfits(name: str) -> None:
    session = subject.open_session(name, *AT_ONCE, "optim.lr=1e-2", "optim.weight_decay=0")
    batch, training = first_batch(session), session.training
    step = tf.function(lambda: session.strategy.run(session.system.train_step, (batch, training.updates))["loss"])
    losses = [float(step()) for _ in range(60)]
    assert losses[-1] < 0.4 * losses[0], f"60 steps on one batch: {losses[0]:.3f} to {losses[-1]:.3f}"


@every_system
def test_saves_and_restores(name: str, tmp_path: Path) -> None:
    system, other = subject.build(name), subject.build(name)
    for number, net in enumerate(system.networks.values()):
        subject.fill(net, shift=number)
    values = state.read(state.weights(system.networks))
    saved = checkpoint.Checkpoints(tmp_path / "checkpoints").save(values, {"step": 1, "epoch": 1})
    _, loaded = checkpoint.load(saved.path)
    state.write(state.weights(other.networks), loaded, "the test")
    system.net.save(tmp_path / "net.keras")
    for net in (other.net, keras.models.load_model(tmp_path / "net.keras")):
        for ours, theirs in zip(subject.outputs(system.net), subject.outputs(net), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@every_system
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision(name: str, precision: str) -> None:
    session = subject.open_session(name, *AT_ONCE, precision_name=precision)
    call = Loop(session).train(2)
    assert call.bad_step is None
    assert math.isfinite(call.loss)
    assert all(np.isfinite(value).all() for value in weights(session).values())
    assert {value.dtype.name for value in weights(session).values() if value.dtype.kind != "i"} == {"float32"}


@every_system
def test_two_replicas(name: str) -> None:
    # Plain descent: the steps of the adaptive optimizers depend on the sign of gradients that are but rounding.
    options = (*AT_ONCE, "optim.name=sgd", "optim.lr=0.1", "optim.weight_decay=0")
    results = []
    for devices in ("cpu", "cpu:2"):
        session = subject.open_session(name, *options, devices=devices)
        before = weights(session)
        loss = Loop(session).train(3).loss
        results.append((loss, weights(session)))
    (loss, one), (loss_of_two, two) = results
    assert loss_of_two == pytest.approx(loss, rel=1e-4)
    for path, value in one.items():
        moved = np.abs(value - before[path]).max()
        assert np.abs(value - two[path]).max() <= 1e-3 * moved + 1e-6, path


@every_system
def test_resumes(name: str, tmp_path: Path) -> None:
    whole = subject.open_session(name, *AT_ONCE)
    Loop(whole).train(6)
    first = subject.open_session(name, *AT_ONCE)
    Loop(first).train(3)
    saved = checkpoint.Checkpoints(tmp_path).save(state.read(first.variables()), {"step": 3, "epoch": 0})
    second = subject.open_session(name, *AT_ONCE)
    state.write(second.variables(), checkpoint.load(saved.path)[1], "the test")
    Loop(second).train(6)
    for path, value in state.read(whole.variables()).items():
        np.testing.assert_allclose(state.read(second.variables())[path], value, rtol=1e-5, atol=1e-7, err_msg=path)


@pytest.mark.parametrize("name", catalog.systems())
def test_exemptions_name_properties_and_give_reasons(name: str) -> None:
    exempt = catalog.system(name).exempt
    assert set(exempt) <= subject.PROPERTIES
    assert all(len(reason) > 20 for reason in exempt.values())


def test_an_exempt_property_must_fail() -> None:
    class Odd(catalog.system("segmentation/unet")):
        exempt: ClassVar[dict[str, str]] = {"golden": "its outputs are random by design"}

    (mark,) = subject.exemption(Odd, "golden")
    assert (mark.name, mark.kwargs) == ("xfail", {"reason": "its outputs are random by design", "strict": True})
    assert subject.exemption(Odd, "builds") == []


def test_there_is_no_golden_file_without_a_system() -> None:
    files = {str(file.relative_to(subject.GOLDEN).with_suffix("")) for file in subject.GOLDEN.rglob("*.json")}
    assert files == set(catalog.systems())
