import numpy as np

from kvision.engine.loop import Loop
from tests.unit.systems.rl import tables


def test_watkins_rule_by_hand_up_to_the_end_of_an_episode(tmp_path):
    session = tables.opened(tmp_path, "q_learning", *tables.GREEDY)
    system, loop = session.system, Loop(session)
    tables.write(system, s0=[0, 0, 1.0, 0], s1=[0.2, 0, 0.6, 0], s2=[100.0] * 4)
    loop.train(1)  # right: -0.1 + 0.5 * 0.6 = 0.2
    np.testing.assert_allclose(tables.read(system)[:2], [[0, 0, 0.6, 0], [0.2, 0, 0.6, 0]], rtol=1e-6)
    loop.train(2)  # right, to the goal: 0.9, and nothing of what the table says of it
    np.testing.assert_allclose(tables.read(system)[:2], [[0, 0, 0.6, 0], [0.2, 0, 0.75, 0]], rtol=1e-6)
    loop.train(3)  # from the start again: -0.1 + 0.5 * 0.75 = 0.275
    np.testing.assert_allclose(tables.read(system)[:2], [[0, 0, 0.4375, 0], [0.2, 0, 0.75, 0]], rtol=1e-6)
    assert (tables.read(system)[2] == 100.0).all()


def test_a_time_limit_is_no_end(tmp_path):
    session = tables.opened(tmp_path, "q_learning", *tables.GREEDY, "data.max_episode_steps=1")
    tables.write(session.system, s0=[0, 0, 1.0, 0], s1=[0, 0, 0.6, 0])
    Loop(session).train(2)  # twice the same step: towards -0.1 + 0.5 * 0.6 = 0.2
    np.testing.assert_allclose(tables.read(session.system)[0], [0, 0, 0.4, 0], rtol=1e-6)
