"""Plays a world beside a slow, obvious Python of the same rules, lane by lane."""

from __future__ import annotations

import functools
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from kvision.data.environments.environment import next_seed
from kvision.data.environments.world import World

GOLDEN, MASK = 0x9E3779B97F4A7C15, 2**64 - 1


def mixed(word: int) -> int:
    """SplitMix64's finalizer, as its authors wrote it in C."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def word(seed: int, step: int, place: int) -> int:
    return mixed((mixed(seed) + (step * 4096 + place + 1) * GOLDEN) & MASK)


def integer(seed: int, step: int, place: int, high: int) -> int:
    return ((word(seed, step, place) >> 32) * high) >> 32


def uniform(seed: int, step: int, place: int) -> float:
    return (word(seed, step, place) >> 40) / 2**24


class Reference(Protocol):
    """One lane."""

    def __init__(self, seed: int) -> None: ...

    def observe(self) -> Any: ...

    def advance(self, action: Any) -> tuple[float, bool]:
        """Reward, and whether the episode is over."""
        ...


class Lane:
    """One lane with a time limit, that begins the next episode in the same step."""

    def __init__(self, make: Any, seed: int, max_steps: int) -> None:
        self.make, self.max_steps = make, max_steps
        self.begin(seed)

    def begin(self, seed: int) -> None:
        self.seed, self.time, self.world = seed, 0, self.make(seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        reward, terminated = self.world.advance(action)
        self.time += 1
        final = self.world.observe()
        truncated = not terminated and self.time >= self.max_steps
        if terminated or truncated:
            self.begin(next_seed(self.seed))
        return self.world.observe(), reward, terminated, truncated, final


def actions(world: World, steps: int, seed: int = 0) -> np.ndarray:
    """Random ones, `[steps, N, *action_shape]`."""
    spaces, generator = world.spaces, np.random.default_rng(seed)
    shape = (steps, world.num, *spaces.action_shape)
    if spaces.discrete:
        return generator.integers(0, spaces.actions[0], shape).astype(np.int32)
    return generator.uniform(spaces.low[0], spaces.high[0], shape).astype(np.float32)


@functools.lru_cache(maxsize=4)
def rollout(world: World) -> Any:
    """The graph; worlds that are played twice are traced once."""

    def play(seeds: tf.Tensor, acts: tf.Tensor) -> Any:
        state, first = world.reset(seeds)
        parts = [tf.TensorArray(dtype, tf.shape(acts)[0]) for dtype in (first.dtype, tf.float32, tf.bool, tf.bool, first.dtype)]

        def step(time: tf.Tensor, state: Any, parts: Any) -> Any:
            state, transition = world.step(state, acts[time])
            return time + 1, state, [part.write(time, value) for part, value in zip(parts, transition, strict=True)]

        _, state, parts = tf.while_loop(lambda time, *_: time < tf.shape(acts)[0], step, (0, state, parts))
        return first, [part.stack() for part in parts], state

    spaces = world.spaces
    signature = [tf.TensorSpec([world.num], tf.int64), tf.TensorSpec([None, world.num, *spaces.action_shape], spaces.action_dtype)]
    return tf.function(play, input_signature=signature, autograph=False)


def played(world: World, seeds: np.ndarray, acts: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], dict[str, np.ndarray]]:
    """First observations `[N, ...]`; what `Transition` names, each `[T, N, ...]`; and the last state. In one graph, as agents play."""
    first, parts, state = rollout(world)(tf.constant(seeds, tf.int64), tf.constant(acts))
    return first.numpy(), [part.numpy() for part in parts], {name: value.numpy() for name, value in state.items()}


def agrees(world: World, make: Any, steps: int = 150) -> tuple[int, float]:
    """Asserts that the world and the reference do the same over random play; how many episodes ended, and the sum of rewards."""
    seeds = np.arange(world.num, dtype=np.int64) * 977 + 3
    acts = actions(world, steps)
    first, parts, _ = played(world, seeds, acts)
    lanes = [Lane(make, int(seed), world.max_steps) for seed in seeds]
    np.testing.assert_array_equal(first, np.stack([lane.world.observe() for lane in lanes]).astype(first.dtype))
    for time in range(steps):
        expected = [np.stack(each) for each in zip(*(lane.step(acts[time, n]) for n, lane in enumerate(lanes)), strict=True)]
        for name, part, value in zip(("observation", "reward", "terminated", "truncated", "final"), parts, expected, strict=True):
            np.testing.assert_allclose(part[time], value.astype(part.dtype), rtol=0, atol=1e-6, err_msg=f"{name} at step {time}")
    return int((parts[2] | parts[3]).sum()), float(parts[1].sum())
