"""Recall: what is shown when, and what is worth something."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kvision.data.environments.worlds.recall import ASKED, CUE, GROUND, KEPT, Recall

SEEDS = np.arange(0, 4000, 4)


def test_the_cue_is_shown_once_asked_for_once_and_worth_something_only_then() -> None:
    world = Recall(2, choices=3, delay=2)
    state, seen = world.reset(tf.constant([4, 8], tf.int64))
    cue = state["cue"].numpy()
    np.testing.assert_array_equal(seen, np.eye(4)[cue])
    said = [cue, cue, cue, [cue[0], (cue[1] + 1) % 3]]  # the last answer alone counts, and one of the two is wrong
    told = []
    for actions in said:
        state, found = world.step(state, tf.constant(actions, tf.int32))
        told.append((found.final_observation.numpy(), found.reward.numpy().tolist(), found.terminated.numpy().tolist()))
        assert not found.truncated.numpy().any()
    blank, asked = np.zeros((2, 4)), np.eye(4)[[3, 3]]
    for (final, *_), expected in zip(told, [blank, blank, asked, blank], strict=True):
        np.testing.assert_array_equal(final, expected)
    assert [reward for _, reward, _ in told] == [[0, 0], [0, 0], [0, 0], [1, 0]]
    assert [over for *_, over in told] == [[False] * 2] * 3 + [[True] * 2]
    np.testing.assert_array_equal(found.observation, np.eye(4)[state["cue"].numpy()])  # the next episode's


def test_all_cues_are_as_likely() -> None:
    state, _ = Recall(len(SEEDS), choices=4, delay=2).reset(tf.constant(SEEDS))
    assert np.abs(np.bincount(state["cue"].numpy(), minlength=4) - 250).max() < 4 * np.sqrt(1000 * 0.25 * 0.75)


def test_its_picture_shows_the_cue_then_keeps_it_for_who_watches_then_the_question() -> None:
    world = Recall(1, choices=3, delay=1)
    pictures = [world.render({"time": np.int64(time), "cue": np.int32(1)}) for time in range(3)]
    width = pictures[0].shape[1] // 3
    middles = [[tuple(picture[0, place * width + width // 2]) for place in range(3)] for picture in pictures]
    assert middles == [[GROUND, CUE, GROUND], [GROUND, KEPT, GROUND], [ASKED, KEPT, ASKED]]
