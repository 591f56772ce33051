"""Value iteration and policy iteration in a corridor, by hand."""

import numpy as np
import pytest

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError
from kvision.engine.loop import Loop
from tests.unit.systems.rl import tables
from tests.unit.systems.rl.test_table import IDENTITY

GOAL, NEAR, FAR = 0.9, -0.1 + 0.5 * 0.9, -0.1 + 0.5 * (-0.1 + 0.5 * 0.9)
"""Of the right action beside the goal and at the start, and of staying at the start and then going right, with gamma 0.5."""


def test_a_sweep_looks_a_step_further_than_the_last(tmp_path):
    session = tables.opened(tmp_path, "value_iteration")
    system, loop = session.system, Loop(session)
    loop.train(1)  # the recipe's rate of 0.5 goes half of the way
    np.testing.assert_allclose(tables.read(system)[:2], [[-0.05] * 4, [-0.05, -0.05, 0.45, -0.05]], rtol=1e-6)
    assert (tables.read(system)[2] == 0).all()


def test_sweeps_end_where_nothing_changes(tmp_path):
    session = tables.opened(tmp_path, "value_iteration", "optim.lr=1.0")
    loop = Loop(session)
    loop.train(1)
    np.testing.assert_allclose(tables.read(session.system)[1], [-0.1, -0.1, GOAL, -0.1], rtol=1e-6)
    loop.train(4)
    np.testing.assert_allclose(tables.read(session.system), [[FAR, FAR, NEAR, FAR], [FAR, NEAR, GOAL, NEAR], [0] * 4], rtol=1e-6)
    loop.begin_epoch()
    call = loop.train(5)
    assert call.means["residual"] == call.means["loss"] == 0.0
    found = loop.evaluate()
    assert found["residual"] < 1e-7
    assert found["exact_return"] == pytest.approx(0.8) == found["return"]


def test_each_policy_is_evaluated_exactly_and_made_better(tmp_path):
    session = tables.opened(tmp_path, "policy_iteration", "optim.lr=1.0")
    loop, endless = Loop(session), -0.1 / (1 - 0.5)
    assert loop.evaluate()["residual"] == pytest.approx(GOAL)  # of an empty table
    loop.train(1)  # of the first policy, which always goes left
    np.testing.assert_allclose(tables.read(session.system)[:2], [[endless] * 4, [endless, endless, GOAL, endless]], rtol=1e-6)
    loop.train(3)  # of the second, which goes right beside the goal; and of the third, the best
    np.testing.assert_allclose(tables.read(session.system), [[FAR, FAR, NEAR, FAR], [FAR, NEAR, GOAL, NEAR], [0] * 4], rtol=1e-6)
    loop.begin_epoch()
    assert loop.train(4).means["residual"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["value_iteration", "policy_iteration"])
def test_what_is_not_known_can_t_be_planned(name, tmp_path):
    with pytest.raises(
        UsageError, match=rf"rl/{name} plans with transition probabilities, which identity does not tell, or more than 20000000 of them"
    ):
        tables.opened(tmp_path, name, text=IDENTITY)


def test_policies_that_never_end_have_no_value_without_discount():
    with pytest.raises(RecipeError, match=r"model.gamma: with 1 a policy that never comes to an end has no value"):
        catalog.load("rl/policy_iteration", ["model.gamma=1.0"])
