"""Tables of Gymnasium's toy_text, against the environments' own lists of what may follow."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest

from kvision.core.errors import DataError
from kvision.data.environments import dynamics


def test_the_frozen_lake_as_its_own_table_says():
    env = gymnasium.make("FrozenLake-v1")
    found = dynamics.from_gymnasium(env)
    assert (found.num_states, found.num_actions, found.max_steps, found.grid) == (16, 4, 100, (4, 4))
    assert np.flatnonzero(found.terminal).tolist() == [5, 7, 11, 12, 15]
    assert found.start.tolist() == [1.0] + [0.0] * 15
    for state, action, following in np.ndindex(found.transitions.shape):
        listed = [outcome for outcome in env.unwrapped.P[state][action] if outcome[1] == following]
        assert found.transitions[state, action, following] == pytest.approx(sum(outcome[0] for outcome in listed))
        if not found.terminal[state]:
            assert found.continuing[state, action, following] == pytest.approx(sum(outcome[0] for outcome in listed if not outcome[3]))
    assert found.expected[14, 2] == pytest.approx(1 / 3)
    assert found.expected.sum() == pytest.approx(1.0)  # a third for each of three actions beside the goal
    assert found.reachable.all()


def test_an_ended_episode_goes_nowhere_and_earns_nothing():
    found = dynamics.from_gymnasium(gymnasium.make("FrozenLake-v1", is_slippery=False))
    assert found.transitions[15, 2, 15] == 1.0
    assert not found.continuing[15].any()
    assert not found.expected[15].any()
    assert not found.continuing[14, 2].any()
    assert found.expected[14, 2] == 1.0


def test_the_cliff_is_no_place_to_be_and_has_no_time_limit_of_its_own():
    found = dynamics.from_gymnasium(gymnasium.make("CliffWalking-v1"))
    assert (found.grid, found.max_steps) == ((4, 12), None)
    assert np.flatnonzero(~found.reachable).tolist() == list(range(37, 47))
    assert found.expected[36, 1] == -100.0
    assert found.continuing[36, 1, 36] == 1.0
    assert dynamics.from_gymnasium(gymnasium.make("CliffWalking-v1", max_episode_steps=7)).max_steps == 7


def test_the_taxi_meets_404_of_its_500_states_which_are_no_places():
    found = dynamics.from_gymnasium(gymnasium.make("Taxi-v4"))
    assert (found.num_states, found.reachable.sum(), found.terminal.sum(), found.grid) == (500, 404, 4, None)


def test_environments_without_a_table_have_no_dynamics():
    assert dynamics.from_gymnasium(gymnasium.make("CartPole-v1")) is None


def of_table(table, start=(1.0, 0.0, 0.0)):
    env = SimpleNamespace(P=table, initial_state_distrib=start)
    return dynamics.from_gymnasium(SimpleNamespace(unwrapped=env, spec=None))


def test_a_table_that_can_t_be_is_refused():
    with pytest.raises(DataError, match=r"the environment: what follows action 0 in state 1 has probabilities that add up to 0.7, not 1"):
        of_table({0: {0: [(1.0, 1, 0.0, False)]}, 1: {0: [(0.7, 2, 0.0, True)]}, 2: {0: [(1.0, 2, 0.0, True)]}})
    with pytest.raises(DataError, match=r"state 2 ends the episode after some transitions and not after others"):
        of_table({0: {0: [(1.0, 1, 0.0, False)]}, 1: {0: [(0.5, 2, 0.0, True), (0.5, 2, 0.0, False)]}, 2: {0: [(1.0, 2, 0.0, False)]}})
