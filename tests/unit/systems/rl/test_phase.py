import pytest
import tensorflow as tf

from kvision.systems.rl import _phase


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("limit", "mean"), [(None, 2.5), (9.0, 2.5), (3.0, 1.5), (-1.0, 0.0)])
def test_updates_go_on_until_one_goes_too_far_and_their_mean_is_of_those_that_were_made(graph, limit, mean):
    made = tf.Variable(0.0)

    def phase():
        def update(number):
            made.assign_add(1.0)
            return {"kl": tf.cast(number, tf.float32)}

        return _phase.repeat(6, update, None if limit is None else lambda found: found["kl"] < limit)

    found = tf.function(phase, jit_compile=True)() if graph else phase()
    assert float(found["kl"]) == mean
    assert int(made) == int(2 * mean + 1)
