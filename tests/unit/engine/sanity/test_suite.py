"""Each fault is found by the test that is made for it, and by no other; a sound system passes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kvision.data.preprocess import Preprocess
from kvision.engine import session, state
from kvision.engine.pretrained import Pretrained
from kvision.engine.sanity import suite, updates
from tests.unit.engine.sanity import faulty

if TYPE_CHECKING:
    from kvision.engine.sanity.verdict import Verdict

BUDGET = suite.Budget(overfit=60, learn=40, regularise=20, gradients=8)
NAMES = [
    "input range", "input mean", "input deviation", "initial loss", "activations", "frozen layers", "gradients", "overfit", "regularisation",
    "update ratio", "dead ReLUs", "labels inform", "label shuffle",
]  # fmt: skip


def verdicts(system: type = faulty.Sound, source: type = faulty.Source, **sections: Any) -> dict[str, Verdict]:
    found = list(suite.run(faulty.resolved(**sections), system, source, budget=BUDGET))
    assert [verdict.name for verdict in found] == NAMES
    return {verdict.name: verdict for verdict in found}


def failed(found: dict[str, Verdict]) -> list[str]:
    return [name for name, verdict in found.items() if verdict.status == "fail"]


def test_a_sound_system_passes_every_test() -> None:
    found = verdicts(optim={**faulty.OPTIM, "weight_decay": 0.01})
    assert {verdict.status for verdict in found.values()} <= {"pass", "warn"}
    assert {name for name, verdict in found.items() if verdict.status == "warn"} <= {"update ratio"}
    assert found["regularisation"].value > 1.5
    assert found["labels inform"].value > 0.7
    assert found["gradients"].value < 1e-5


FAULTS = {
    "initial loss": "times the 1.099 that a guess costs: the loss is summed where it should be averaged",
    "frozen layers": "net/first/kernel start at random and are never trained",
    "input range": "the pictures hold values from 3 to 18 of 0..255: they show next to nothing",
    "dead ReLUs": "units of net/buried that answer to nothing after 40 steps",
    "activations": "what net/faint gives vanishes in a fresh network",
    "gradients": "the gradient of first/kernel",
    "label shuffle": "trained with the labels of other examples it is still better than chance",
    "overfit": "20 examples not learnt by heart in 60 steps",
    "labels inform": "no better on validation examples than at chance",
}
"""Test -> what it says of the fault that it is for."""


@pytest.mark.parametrize(
    ("faults", "source", "found_by"),  # some at once, to save time: each is found all the same, and nothing else
    [
        ((faulty.WrongScale, faulty.Frozen), faulty.Dark, ["input range", "initial loss", "frozen layers"]),
        ((faulty.Dead, faulty.Vanishing), faulty.Source, ["activations", "dead ReLUs"]),
        ((faulty.WrongGradient, faulty.Leaking), faulty.Source, ["gradients", "label shuffle"]),
        ((faulty.Floor,), faulty.Unrelated, ["overfit", "labels inform"]),
    ],
)
def test_each_fault_is_found_by_its_own_test_alone(faults: tuple[type, ...], source: type, found_by: list[str]) -> None:
    found = verdicts(type("Faulty", faults, {}), source)
    assert failed(found) == found_by
    for test in found_by:
        assert FAULTS[test] in found[test].message


def test_the_gradients_are_those_of_the_tiny_recipe_and_its_own_source() -> None:
    sound = suite._open(faulty.resolved(), faulty.Sound, faulty.Source)
    tiny = faulty.resolved(data={"size_px": 8, "batch": 8}), faulty.Unrelated
    system, batch = suite._tiny(sound, [], tiny)
    assert batch["image"].shape == (suite.TINY_BATCH, 8, 8, 3)
    assert system.net.input_shape == (None, 8, 8, 3)


def test_what_is_frozen_passes_where_its_weights_come_from_elsewhere() -> None:
    system = suite._open(faulty.resolved(), faulty.Frozen, faulty.Source).system
    given = Pretrained(state.read(state.weights(system.networks)), "a run")
    assert [updates.frozen(system).status, updates.frozen(system, given).status] == ["fail", "pass"]


def test_inputs_that_are_not_normalised_and_decay_that_reaches_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = session.open_session
    raw = Preprocess(16, "resize", (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
    monkeypatch.setattr(suite, "open_session", lambda *args, **options: opened(*args, **options, preprocess=raw))
    found = verdicts(optim={**faulty.OPTIM, "weight_decay": 0.01, "groups": ({"match": ".", "weight_decay": 0.0},)})
    assert failed(found) == ["input mean", "input deviation", "regularisation"]
    assert found["input mean"].value > 40
    assert "the inputs are not normalised" in found["input deviation"].message
    assert "optim.weight_decay=0.01 does not raise the loss" in found["regularisation"].message


def test_what_learns_nothing_by_steps_is_looked_at_and_not_trained() -> None:
    class Still(faulty.Sound):
        def trainables(self) -> dict[str, list[Any]]:
            return {"net": []}

    found = list(suite.run(faulty.resolved(), Still, faulty.Source, budget=BUDGET))
    assert [verdict.name for verdict in found] == [*NAMES[:5], "all others"]
    assert (found[3].status, found[3].message) == ("skip", "the training examples were fitted to")
    assert (found[5].status, found[5].message) == ("skip", "nothing is learnt step by step, so that there are no gradients and updates to look at")
