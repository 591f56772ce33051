import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError
from kvision.engine.loop import Loop
from kvision.systems.rl import _map, _table
from tests.unit.systems.rl import tables

IDENTITY = """
system: rl/{name}
model: {{gamma: 0.5}}
loss: {{}}
data: {{source: identity, kind: index, envs: 8, batch: 8, steps: 2000, episodes: 8}}
optim: {{name: sgd, lr: 0.5, momentum: 0.0, schedule: constant}}
train: {{epochs: 1, seed: 0}}
"""


@pytest.mark.parametrize("name", ["q_learning", "sarsa", "dyna_q"])
def test_the_identity_is_learnt_in_2000_steps(name, tmp_path):
    session = tables.opened(tmp_path, name, text=IDENTITY)
    loop = Loop(session)
    before = loop.evaluate()
    loop.train(250)
    after = loop.evaluate()
    assert before["return"] < 0.6 * before["length"]
    assert after["return"] >= 0.9 * after["length"]
    assert "exact_return" not in after  # its dynamics are not told


def test_the_learning_rate_is_alpha_and_several_targets_of_a_value_are_averaged(tmp_path):
    session = tables.opened(tmp_path, "q_learning")
    tables.write(session.system, s0=[0.0, 0.0, 1.0, 0.0])
    met = {"observation": np.array([0, 0, 1, 2], np.int32), "action": np.array([2, 2, 0, 3], np.int32), "weight": np.float32([1, 1, 1, 0])}
    loss = session.system.learn(session.for_training.updates, met, np.float32([2.0, 4.0, 5.0, 9.0]))
    expected = np.zeros([3, 4])
    expected[0, 2] = 1.0 + 0.5 * (3.0 - 1.0)
    expected[1, 0] = 0.5 * 5.0
    np.testing.assert_allclose(tables.read(session.system), expected, rtol=1e-6)
    assert float(loss) == pytest.approx(((0.5 * 1 + 0.5 * 9) / 2 + 0.5 * 25) / 2)


def test_the_exact_return_is_what_is_played(tmp_path):
    session = tables.opened(tmp_path, "q_learning", "data.max_episode_steps=5")
    tables.write(session.system, s0=[0, 0, 1, 0], s1=[0, 0, 1, 0])
    found = Loop(session).evaluate()
    assert found["exact_return"] == pytest.approx(0.8) == found["return"]
    tables.write(session.system, s0=[0, 0, 1, 0], s1=[1, 0, 1, 0])  # of equal actions the first: back and forth until time is up
    found = Loop(session).evaluate()
    assert found["exact_return"] == pytest.approx(-0.5) == found["return"]


def test_the_exact_return_is_that_of_the_network_that_plays(tmp_path):
    session = tables.opened(tmp_path, "q_learning")
    tables.write(session.system, s0=[0, 0, 1, 0], s1=[0, 0, 1, 0])
    other = session.system.with_networks({_table.TABLE: lambda seen, training: {"q_values": tf.one_hot(tf.zeros_like(seen), 4)}})
    batch = next(iter(session.pipeline.val()))
    for system, found in ((session.system, 0.8), (other, -2.0)):  # the other one always goes left, for 20 steps
        sums, _ = system.eval_step(batch)
        assert float(sums["exact_return"] / float(sums["weight"])) == pytest.approx(found)


def test_models_too_large_to_be_looked_at_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(_table, "LARGEST", 35)
    system = tables.opened(tmp_path, "q_learning").system
    assert system.known() == {}
    assert system.picture(np.int32(0), {}, None).width < 3 * _map.CELL_PX + 2 * _map.MARGIN_PX  # a table, no map


def test_a_table_begins_as_the_option_says(tmp_path):
    assert (tables.read(tables.opened(tmp_path, "q_learning", "model.initial=2.5").system) == 2.5).all()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optim.name=adam", r"optim.name: adam does not move a table by its learning rate, alpha; use sgd"),
        ("optim.momentum=null", r"optim.momentum: None \(none: 0.9\) would move a table by more than its learning rate, alpha; use 0"),
        ("data.batch=3", r"data.batch: 3 environment steps can't be shared"),
    ],
)
def test_recipes_that_are_not_the_algorithm_are_refused(override, said):
    with pytest.raises(RecipeError, match=said):
        catalog.load("rl/q_learning", [override])


def test_environments_without_numbered_states_are_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"rl/q_learning has a table of numbered states and actions, and identity has observations float32 \[4\], 4 actions"
    ):
        tables.opened(tmp_path, "q_learning", "data.kind=one_hot", text=IDENTITY)


def test_pictures_show_the_map_and_episodes_have_it_below(tmp_path):
    system = tables.opened(tmp_path, "q_learning").system
    tables.write(system, s0=[0, 0, 1, 0], s1=[0, 0, 1, 0])
    alone = np.asarray(system.picture(np.int32(2), {}, None))
    made = system.play(4)
    assert made.facts["return"] == pytest.approx(0.8)
    page, first_cell = np.asarray(made.pictures["episode"]), _map.MARGIN_PX + _map.CELL_PX
    assert len(page) > len(alone)
    np.testing.assert_array_equal(page[-len(alone) :, :first_cell], alone[:, :first_cell])
