import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine.loop import Loop
from kvision.systems.rl import dyna_q
from tests.unit.systems.rl import tables


def met(final, discount, reward):
    shape = [1, len(final)]
    return {
        "observation": tf.zeros(shape, tf.int32),
        "action": tf.fill(shape, tables.RIGHT),
        "reward": tf.constant([reward], tf.float32),
        "discount": tf.constant([discount], tf.float32),
        "final_observation": tf.constant([final], tf.int32),
    }


def test_the_model_is_what_was_met_and_plans_with_the_mean_over_it(tmp_path):
    system = tables.opened(tmp_path, "dyna_q", "model.planning=3").system
    tables.write(system, s0=[0.0, 0.0, 0.0, 0.8], s1=[0.0, 0.4, 0.0, 0.0], s2=[100.0] * 4)
    system._remember(met([1, 2], [0.5, 0.0], [-0.1, 0.9]))
    system._remember(met([1, 0], [0.5, 0.5], [-0.1, -0.1]))
    imagined, target = system._imagined()
    assert imagined["observation"].numpy().tolist() == [0, 0, 0]
    assert imagined["action"].numpy().tolist() == [tables.RIGHT] * 3
    # Of four: twice on to 1 (worth 0.4), once to the end, once back to 0 (worth 0.8).
    np.testing.assert_allclose(target, [(0.6 + 0.5 * (2 * 0.4 + 0.8)) / 4] * 3, rtol=1e-6)


def test_one_way_to_the_goal_is_enough(tmp_path):
    session = tables.opened(tmp_path, "dyna_q", *tables.GREEDY, "model.planning=50", "optim.lr=1.0")
    tables.write(session.system, s0=[0, 0, 0.01, 0], s1=[0, 0, 0.01, 0])
    Loop(session).train(3)
    learnt = tables.read(session.system)
    assert learnt[1, tables.RIGHT] == pytest.approx(0.9)
    assert learnt[0, tables.RIGHT] == pytest.approx(-0.1 + 0.5 * 0.9)


def test_a_model_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dyna_q, "LARGEST", 35)
    with pytest.raises(UsageError, match=r"a model of 3 states and 4 actions has 36 entries, more than 35; use rl/q_learning"):
        tables.opened(tmp_path, "dyna_q")
