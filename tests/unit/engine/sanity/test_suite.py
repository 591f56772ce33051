"""Each fault is found by the test that is made for it, and by no other; a sound system passes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kvision.data.preprocess import Preprocess
from kvision.engine import session
from kvision.engine.sanity import suite
from tests.unit.engine.sanity import faulty

if TYPE_CHECKING:
    from kvision.engine.sanity.verdict import Verdict

BUDGET = suite.Budget(overfit=60, learn=40, regularise=20, gradients=12)
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


@pytest.mark.parametrize(
    ("system", "test", "told"),
    [
        (faulty.WrongScale, "initial loss", "it is 11.4 times the 1.099 that a guess costs: the loss is summed where it should be averaged"),
        (faulty.Floor, "overfit", "20 examples not learnt by heart in 60 steps"),
        (faulty.Frozen, "frozen layers", "net/first/kernel start at random and are never trained"),
        (faulty.Dead, "dead ReLUs", "units of net/buried that answer to nothing after 40 steps"),
        (faulty.Vanishing, "activations", "what net/faint gives vanishes in a fresh network"),
        (faulty.WrongGradient, "gradients", "the gradient of first/kernel"),
        (faulty.Leaking, "label shuffle", "trained with the labels of other examples it is still better than chance"),
    ],
)
def test_a_faulty_system_fails_its_own_test_alone(system: type, test: str, told: str) -> None:
    found = verdicts(system)
    assert failed(found) == [test]
    assert told in found[test].message


@pytest.mark.parametrize(
    ("source", "test", "told"),
    [
        (faulty.Unrelated, "labels inform", "no better on validation examples than at chance"),
        (faulty.Dark, "input range", "values from 0 to 1 of 0..255: they look as if they had been divided by 255 once too often"),
    ],
)
def test_faulty_data_fails_its_own_test_alone(source: type, test: str, told: str) -> None:
    found = verdicts(source=source)
    assert failed(found) == [test]
    assert told in found[test].message


def test_the_gradients_are_those_of_the_tiny_recipe_and_its_own_source() -> None:
    sound = suite._open(faulty.resolved(), faulty.Sound, faulty.Source)
    tiny = faulty.resolved(data={"size_px": 8, "batch": 8}), faulty.Unrelated
    system, batch = suite._tiny(sound, [], tiny)
    assert batch["image"].shape == (suite.TINY_BATCH, 8, 8, 3)
    assert system.net.input_shape == (None, 8, 8, 3)


def test_inputs_that_are_not_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = session.open_session
    raw = Preprocess(16, "resize", (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
    monkeypatch.setattr(suite, "open_session", lambda *args, **options: opened(*args, **options, preprocess=raw))
    found = verdicts()
    assert failed(found) == ["input mean", "input deviation"]
    assert found["input mean"].value > 40
    assert "the inputs are not normalised" in found["input deviation"].message


def test_decay_that_reaches_no_kernel() -> None:
    groups = ({"match": ".", "weight_decay": 0.0},)
    found = verdicts(optim={**faulty.OPTIM, "weight_decay": 0.01, "groups": groups})
    assert failed(found) == ["regularisation"]
    assert "optim.weight_decay=0.01 does not raise the loss" in found["regularisation"].message
