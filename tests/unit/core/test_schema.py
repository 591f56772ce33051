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
