import pytest
from pydantic import ValidationError

from kvision.core.schema import Chosen, DataOptions, OptimOptions, Recipe, Section, TrainOptions


def recipe(optim: dict[str, object], **train: object) -> Recipe:
    return Recipe(
        system="a/b", model=Section(), loss=Section(), data=DataOptions(source="c"), optim=OptimOptions(**optim), train=TrainOptions(**train)
    )


@pytest.mark.parametrize(("option", "value", "users"), [("momentum", 0.5, "sgd or rmsprop"), ("nesterov", True, "sgd")])
def test_an_option_that_the_optimizer_has_not_is_refused(option: str, value: object, users: str) -> None:
    with pytest.raises(ValidationError, match=f"got {value}, which has no effect on name=adamw; take it out, or use name={users}"):
        OptimOptions(**{"name": "adamw", option: value})
    assert getattr(OptimOptions(**{"name": "sgd", option: value}), option) == value


def test_an_option_that_is_off_is_accepted_by_every_optimizer() -> None:
    assert OptimOptions(name="lion", momentum=None, nesterov=False).name == "lion"


def test_there_is_one_average_of_the_weights_at_most() -> None:
    assert not OptimOptions().averages
    assert OptimOptions(ema=0.99).averages
    assert OptimOptions(swa_from=0.0).averages
    with pytest.raises(ValidationError, match=r"got 0.75 beside ema=0.99; there is one average of the weights, so take out one of the two"):
        OptimOptions(ema=0.99, swa_from=0.75)


def test_the_ends_of_cycles_are_kept_for_good_unless_others_are_asked_for() -> None:
    snapshots = recipe({"schedule": "cosine_restarts", "cycles": 4}, epochs=12)
    assert snapshots.keep_every_epochs == 3
    assert snapshots.chosen() == {"train.keep_every_epochs": Chosen("each cycle's end is a snapshot", 3)}
    assert snapshots.faults() == []
    for others in (recipe({"schedule": "cosine_restarts", "cycles": 4}, epochs=12, keep_every_epochs=1), recipe({})):
        assert others.keep_every_epochs == others.train.keep_every_epochs
        assert others.chosen() == {}


@pytest.mark.parametrize(
    ("optim", "train", "path", "message"),
    [
        ({"schedule": "cosine_restarts", "cycles": 5}, {"epochs": 12}, "optim.cycles", "5 cycles can't end with epochs, of which train.epochs=12; "),
        ({"schedule": "cosine_restarts"}, {"epochs": 5, "steps": 7}, "train.steps", "7 would end within a cycle of schedule=cosine_restarts; "),
        ({"cycles": 3}, {}, "optim.cycles", "3 has no effect on schedule=cosine; take it out, or use schedule=cosine_restarts"),
    ],
)
def test_cycles_that_do_not_fit_are_refused(optim: dict[str, object], train: dict[str, object], path: str, message: str) -> None:
    ((where, said),) = recipe(optim, **train).faults()
    assert where == path
    assert said.startswith(message)
