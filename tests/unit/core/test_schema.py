import pytest
from pydantic import ValidationError

from kvision.core.schema import OptimOptions


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
