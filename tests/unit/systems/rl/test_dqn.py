"""DQN: its targets by hand, and its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine import state
from kvision.engine.loop import Loop
from kvision.losses import values
from tests.unit.systems.rl.learners import CONTINUOUS, SMALL, opened

if TYPE_CHECKING:
    from kvision.systems.rl.dqn import DQN


def agent(*overrides: str) -> Any:
    return opened("dqn", *SMALL, "data.choices=3", *overrides).system


def minibatch(target_t: list[list[list[float]]]) -> dict[str, tf.Tensor]:
    """Two transitions, the second of which ends its episode."""
    return {
        "s_t": tf.constant([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        "r_t": tf.constant([1.0, 2.0]),
        "discount_t": tf.constant([0.5, 0.0]),
        "target_t": tf.constant(target_t),
    }


MEANS = [[[1.0], [4.0], [2.0]], [[9.0], [9.0], [9.0]]]


def test_the_target_network_tells_what_its_best_action_is_worth() -> None:
    np.testing.assert_allclose(agent("model.double=false").target(minibatch(MEANS)), [[3.0], [2.0]])


def test_with_double_the_network_chooses_the_action() -> None:
    system: DQN = agent("model.double=true")
    choice = int(tf.argmax(system.net(minibatch(MEANS)["s_t"])["q_values"][0]))
    np.testing.assert_allclose(system.target(minibatch(MEANS)), [[1.0 + 0.5 * MEANS[0][choice][0]], [2.0]])


def test_with_c51_the_target_is_the_best_actions_distribution_moved_and_projected() -> None:
    system: DQN = agent("model.double=false", "model.distribution=c51", "model.atoms=3", "model.greatest_return=4")
    logits = np.log([[[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]]] * 2).astype(np.float32)
    # The best action's returns 0, 2 and 4 become 1, 2 and 3; 1 and 3 are shared out among their neighbours. The end: all of it at 2.
    np.testing.assert_allclose(system.target(minibatch(logits.tolist())), [[0.05, 0.55, 0.4], [0.0, 1.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize(("distribution", "count"), [("none", 1), ("c51", 5), ("qr", 5)])
@pytest.mark.parametrize("dueling", [False, True])
def test_the_exported_means_are_those_of_the_distributions(distribution: str, count: int, dueling: bool) -> None:
    system = agent(f"model.distribution={distribution}", "model.atoms=5", f"model.dueling={dueling}", "model.noisy=true")
    seen, noise = tf.eye(3), tf.zeros([1, system._policy.noise_width])
    z = system._policy.distribution(seen, noise).numpy()
    assert z.shape == (3, 3, count)
    mean = (tf.nn.softmax(z).numpy() * np.linspace(0, 100, 5)).sum(-1) if distribution == "c51" else z.mean(-1)
    np.testing.assert_allclose(system.net(seen)["q_values"], mean, rtol=1e-5, atol=1e-5)
    with_noise = system._policy.values(seen, tf.random.stateless_normal(noise.shape, [0, 0]))
    assert np.abs(with_noise - mean).max() > 1e-3


def test_of_a_duelling_network_only_the_differences_of_advantages_count() -> None:
    system = agent("model.dueling=true")
    before = system.net(tf.eye(3))["q_values"].numpy()
    for name, change in (("advantage", 0.0), ("value", 7.0)):
        bias = system.net.get_layer(name).bias
        bias.assign(bias + 7.0)
        np.testing.assert_allclose(system.net(tf.eye(3))["q_values"], before + change, rtol=1e-4, atol=1e-5)


def test_losses_and_errors_of_each_kind() -> None:
    z, target = tf.constant([[0.5], [3.0]]), tf.constant([[1.0], [0.0]])
    loss, error = agent("loss.huber=2.0").compared(z, target)
    np.testing.assert_allclose(loss, [0.125, 4.0])
    np.testing.assert_allclose(error, [0.5, -3.0])
    z, target = tf.constant([[0.0, 2.0]]), tf.constant([[1.0, -3.0]])
    for kind, wanted in (("qr", values.quantile(z, target)), ("c51", values.categorical(z, target))):
        loss, error = agent(f"model.distribution={kind}").compared(z, target)
        np.testing.assert_allclose(loss, wanted)
        np.testing.assert_allclose(error, wanted)


def test_the_target_network_is_copied_when_enough_updates_were_made() -> None:
    session = opened("dqn", *SMALL, "model.learning_starts=16", "model.gradient_steps=2", "model.target_every=4")
    loop, policies, targets = Loop(session), [], []
    for step in range(1, 6):
        loop.train(step)
        found = state.read(session.weights())
        policies.append(found["net/policy/policy_1/kernel"])
        targets.append(found["net/target/target_1/kernel"])
    # Two updates a step: 4 were made before the third one, 8 before the fifth.
    np.testing.assert_array_equal(targets[0], targets[1])
    np.testing.assert_array_equal(targets[2], policies[1])
    np.testing.assert_array_equal(targets[3], policies[1])
    np.testing.assert_array_equal(targets[4], policies[3])


def test_quantities_are_for_others() -> None:
    with pytest.raises(
        UsageError, match=r"rl/dqn chooses one of several actions, and identity has .*1 continuous actions; use rl/sac, rl/td3 or rl/ppo"
    ):
        opened("dqn", *CONTINUOUS)
