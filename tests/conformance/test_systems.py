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
from kvision.core import paths
from kvision.core.errors import DataError
from kvision.engine import checkpoint, state
from kvision.engine.guard import NEVER
from tests.conformance import subject
from tests.conformance.bench import AT_ONCE, DESCENT, FAST, Bench, batches, take, trace
from tests.conformance.subject import every_system

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kvision.engine.session import Session
    from kvision.engine.system import Batch


class Recorder:
    """Stands in for an `Update`: remembers the gradients and changes nothing."""

    def __init__(self, variables: list[keras.Variable]) -> None:
        self.variables = variables
        self.gradients: list[tf.Tensor | None] = []

    def minimize(self, loss: Any, batch: Batch, *, of: int | None = None) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(tf.cast(loss(batch), tf.float32))
        found = tape.gradient(value, [variable.value for variable in self.variables])
        self.gradients = [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in found]  # those of embeddings are sparse
        return value


def weights(session: Session) -> dict[str, np.ndarray]:
    return state.read(session.weights())


@every_system
def test_builds(name: str, bench: Bench) -> None:
    system = bench.session.system
    assert system.networks
    for net in system.networks.values():
        paths = [variable.path for variable in net.variables]
        assert len(set(paths)) == len(paths)
    assert all(np.isfinite(output).all() for output in subject.outputs(system.net))
    assert system.monitor.mode in ("max", "min")


@every_system
def test_golden(name: str) -> None:
    golden, measured = subject.read_golden(name), subject.measure(subject.build(name).net)
    assert measured["parameters"] == golden["parameters"]
    np.testing.assert_allclose(measured["outputs"], golden["outputs"], rtol=0, atol=golden["tolerance"])
    assert max(abs(value) for value in golden["outputs"]) > 100 * golden["tolerance"], "the tolerance swallows the numbers"


@every_system
def test_gradients(name: str, bench: Bench) -> None:
    system = bench.session.system
    recorders = {role: Recorder(list(variables)) for role, variables in system.trainables().items()}
    system.train_step(bench.batches[0], recorders)
    for role, recorder in recorders.items():
        assert recorder.variables, f"{role} has nothing to train"
        for variable, gradient in zip(recorder.variables, recorder.gradients, strict=True):
            assert gradient is not None, f"{role}: {variable.path} gets no gradient"
            assert np.isfinite(gradient).all(), variable.path
            assert np.any(gradient), f"{role}: the gradient of {variable.path} is all zeros"


@every_system
def test_trains(name: str, bench: Bench) -> None:
    call = bench.loop_on_one_batch().train(2)
    assert call.step == 2
    assert call.bad_step is None
    assert math.isfinite(call.loss)


@every_system
def test_overfits(name: str, bench: Bench) -> None:
    loop = bench.loop_on_one_batch()
    first, last = loop.train(1).loss, loop.train(60).loss
    assert last < 0.4 * first, f"60 steps on one batch: {first:.3f} to {last:.3f}"


@every_system
def test_saves_and_restores(name: str, bench: Bench, tmp_path: Path) -> None:
    system, other = bench.session.system, subject.build(name)
    for number, net in enumerate(system.networks.values()):
        subject.fill(net, shift=number)
    values = state.read(state.weights(system.networks))
    saved = checkpoint.Checkpoints(tmp_path / "checkpoints").save(values, {"step": 1, "epoch": 1})
    _, loaded = checkpoint.load(saved.path)
    state.write(state.weights(other.networks), loaded, "the test")
    system.net.save(tmp_path / "net.keras")
    expected = subject.outputs(system.net)
    for net in (other.net, keras.models.load_model(tmp_path / "net.keras")):
        for ours, theirs in zip(expected, subject.outputs(net), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@every_system
def test_resumes(name: str, bench: Bench, tmp_path: Path) -> None:
    first, then = bench.batches[:3], bench.batches[3:]
    take(bench.session, first)
    saved = checkpoint.Checkpoints(tmp_path).save(state.read(bench.session.variables()), {"step": 3, "epoch": 0})
    take(bench.session, then)
    other = subject.open_session(name, *FAST)
    state.write(other.variables(), checkpoint.load(saved.path)[1], "the test")
    take(other, batches(other, len(then)))
    found = state.read(other.variables())
    for path, value in state.read(bench.session.variables()).items():
        np.testing.assert_allclose(found[path], value, rtol=1e-5, atol=1e-7, err_msg=path)


@every_system
def test_two_replicas(name: str, bench: Bench) -> None:
    before = weights(bench.session)
    loss, one = bench.descend(3), weights(bench.session)
    pair = subject.open_session(name, *DESCENT, devices="cpu:2")
    given = batches(pair, 3)
    assert take(pair, given) == pytest.approx(loss, rel=1e-4)
    two = weights(pair)
    for path, value in one.items():
        moved = np.abs(value - before[path]).max()
        assert np.abs(value - two[path]).max() <= 1e-3 * moved + 1e-6, path
    trace(pair, given[0])


@every_system
def test_mixed_precision(name: str, bench: Bench) -> None:
    stays_finite(name, "bf16", bench.batches[:2])


@pytest.mark.parametrize("name", {name.partition("/")[0]: name for name in catalog.systems()}.values())
def test_float16_in_a_system_of_each_family(name: str) -> None:
    stays_finite(name, "fp16")


def stays_finite(name: str, precision: str, given: Sequence[Batch] = ()) -> None:
    session = subject.open_session(name, *AT_ONCE, precision_name=precision)
    given = given or batches(session, 2)
    assert math.isfinite(take(session, given))
    assert session.for_training.guard.first_bad.numpy() == NEVER
    assert all(np.isfinite(value).all() for value in weights(session).values())
    assert {value.dtype.name for value in weights(session).values() if value.dtype.kind != "i"} == {"float32"}
    trace(session, given[0])


def test_a_bench_is_put_back_to_its_start_when_a_property_failed() -> None:
    bench = Bench("classification/mlp")
    bench.session.for_training.guard.first_bad.assign(0)  # as after a loss that was not finite: no update is made from then on
    bench.begin()
    assert bench.loop_on_one_batch().train(2).bad_step is None


@pytest.mark.parametrize("recipe", sorted(paths.shipped()))
def test_the_cost_that_a_recipe_states_is_true(recipe: str) -> None:
    stated = catalog.load(recipe).recipe.cost
    assert stated is not None, f"it states none; run: python -m tests.conformance.regenerate {catalog.load(recipe).recipe.system}"
    try:
        assert stated.model_dump() == subject.cost(recipe)
    except DataError as error:
        pytest.skip(f"its classes are not known: {error}")


@pytest.mark.slow
def test_the_few_scenes_that_a_cost_is_found_by_say_every_word_of_all_of_them() -> None:
    recipes = [recipe for recipe in paths.shipped() if subject.spoken(recipe)]
    assert recipes
    for recipe in recipes:
        few, many = (subject.source_of(catalog.load(recipe, changed)).info.texts for changed in (subject.spoken(recipe), []))
        assert few is not None
        assert many is not None
        assert set(few.vocabulary.tokens) == set(many.vocabulary.tokens), recipe


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
