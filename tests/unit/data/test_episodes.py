import itertools

import numpy as np

from kvision import catalog
from kvision.data.pipeline import Pipeline


def pipeline(**options):
    source = catalog.source("identity")
    chosen = source.Options(**options)
    return Pipeline(source(chosen, seed=0, base=None), chosen, frozenset({"seed"}), 0)


def test_a_step_of_an_environment_is_as_good_as_another_so_that_batches_cost_nothing():
    found = pipeline(envs=2, batch=4, steps=6, episodes=3)
    assert found.steps_per_epoch == 1
    for batch in itertools.islice(found.train(5), 20):  # far beyond the epoch's end
        assert batch["index"].shape == batch["seed"].shape == (4,)
        np.testing.assert_array_equal(batch["weight"], np.ones(4))


def test_episodes_of_evaluation_come_once_each():
    found = pipeline(envs=2, batch=4, steps=6, episodes=3)
    seeds = [seed for batch in found.val() for seed, weight in zip(batch["seed"].numpy(), batch["weight"].numpy(), strict=True) if weight]
    assert len(seeds) == len(set(seeds)) == 3
