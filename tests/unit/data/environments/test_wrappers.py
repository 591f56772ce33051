from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from kvision.core.errors import DataError
from kvision.data.environments import wrappers
from kvision.data.environments.spaces import of_gymnasium


@dataclass
class Options:
    id: str = "Fake-v0"
    frame_stack: int = 1
    grey: bool = False
    resize_px: int | None = None
    atari: bool = False


class Fake(gymnasium.Env[Any, Any]):
    """Shows what it is told, multiplied by the step."""

    action_space = spaces.Discrete(2)

    def __init__(self, seen: spaces.Space[Any], first: Any) -> None:
        self.observation_space, self.first, self.time = seen, first, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 1
        return self.first, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return (self.first * self.time).astype(self.first.dtype), 0.0, False, False, {}


def pixels(height: int = 12, width: int = 18, channels: int = 3) -> Fake:
    first = np.random.default_rng(0).integers(0, 60, (height, width, channels)).astype(np.uint8)
    return Fake(spaces.Box(0, 255, (height, width, channels), np.uint8), first)


def seen(env: Any, steps: int = 0) -> np.ndarray:
    observation = env.reset(seed=0)[0]
    for _ in range(steps):
        observation = env.step(0)[0]
    assert env.observation_space.contains(observation)
    assert of_gymnasium("Fake-v0", env).observation_shape == observation.shape
    return np.asarray(observation)


def test_nothing_is_done_unless_asked_for() -> None:
    env = pixels()
    assert wrappers.wrapped(env, Options()) is env


def test_grey_is_the_weighted_mean_of_the_colours() -> None:
    env = pixels()
    grey = seen(wrappers.wrapped(env, Options(grey=True)))
    expected = env.first[..., 0] * 0.2125 + env.first[..., 1] * 0.7154 + env.first[..., 2] * 0.0721
    np.testing.assert_array_equal(grey[..., 0], np.floor(expected + 1e-9))


def test_a_smaller_picture_holds_the_means_of_its_pixels() -> None:
    env = pixels(12, 18)
    small = seen(wrappers.wrapped(env, Options(resize_px=6)))
    across = np.floor(env.first.reshape(12, 6, 3, 3).mean(2) + 0.5)  # Pillow rounds after each of its two passes
    np.testing.assert_array_equal(small, np.floor(across.reshape(6, 2, 6, 3).mean(1) + 0.5))


def test_a_stack_of_pictures_has_the_newest_frame_in_the_last_channels() -> None:
    env = pixels(4, 4, 2)
    stack = seen(wrappers.wrapped(env, Options(frame_stack=3)), steps=1)
    first = env.first.astype(int)
    np.testing.assert_array_equal(stack, np.concatenate([first, first, 2 * first], axis=2))


def test_a_stack_of_vectors_is_a_longer_vector() -> None:
    env = Fake(spaces.Box(-1e3, 1e3, (2,), np.float32), np.float32([1, -2]))
    assert seen(wrappers.wrapped(env, Options(frame_stack=2)), steps=2).tolist() == [2, -4, 3, -6]


def test_all_of_them_come_one_after_the_other() -> None:
    stack = seen(wrappers.wrapped(pixels(), Options(grey=True, resize_px=8, frame_stack=4)))
    assert (stack.shape, stack.dtype) == ((8, 8, 4), np.uint8)


def test_pictures_of_truth_values_become_bytes() -> None:
    first = np.random.default_rng(0).random((5, 5, 2)) < 0.5
    env = wrappers.wrapped(Fake(spaces.Box(0, 1, (5, 5, 2), np.bool_), first), Options())
    np.testing.assert_array_equal(seen(env), first * np.uint8(255))


def test_of_a_dictionary_the_picture_is_shown() -> None:
    space = spaces.Dict({"image": spaces.Box(0, 255, (3, 3, 3), np.uint8), "mission": spaces.Text(9)})
    first = np.ones((3, 3, 3), np.uint8)
    env = wrappers.wrapped(Fake(space, {"image": first, "mission": "go"}), Options())
    np.testing.assert_array_equal(env.reset()[0], first)
    assert env.observation_space == space["image"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (Options(grey=True), "data.grey is for pictures of 3 channels in bytes, and Fake-v0 shows Box(-1.0, 1.0, (2,), float32); leave it out"),
        (Options(resize_px=8), "data.resize_px is for pictures in bytes, and Fake-v0 shows Box(-1.0, 1.0, (2,), float32); leave it out"),
        (Options(atari=True), "data.atari: Fake-v0 is no Atari game; leave it out, or use an id such as ALE/Breakout-v5"),
    ],
)
def test_a_wrapper_that_does_not_fit_says_what_is_shown(options: Options, fault: str) -> None:
    env = Fake(spaces.Box(-1, 1, (2,), np.float32), np.float32([0, 0]))
    with pytest.raises(DataError, match=f"^{re.escape(fault)}$"):
        wrappers.wrapped(env, options)


def test_numbers_of_states_can_not_be_stacked() -> None:
    fault = "data.frame_stack: Fake-v0 shows Discrete(4); only vectors and pictures can be stacked, so leave it out"
    with pytest.raises(DataError, match=f"^{re.escape(fault)}$"):
        wrappers.wrapped(Fake(spaces.Discrete(4), 0), Options(frame_stack=2))


class Ale(Fake):
    """As much of an Atari game as the wrapper asks for."""

    _frameskip = 1

    class ale:  # noqa: N801
        @staticmethod
        def lives() -> int:
            return 3

        @staticmethod
        def getScreenGrayscale(buffer: np.ndarray) -> None:
            buffer[:] = 7

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE"]


def test_the_atari_set_says_what_it_needs_or_gives_its_pictures() -> None:
    env = Ale(spaces.Box(0, 255, (210, 160, 3), np.uint8), np.zeros((210, 160, 3), np.uint8))
    options = Options(id="ALE/Pong-v5", atari=True, frame_stack=4)
    assert wrappers.arguments(options) == {"frameskip": 1}
    try:
        import cv2  # noqa: F401
    except ImportError:
        with pytest.raises(DataError, match=r"^data\.atari needs OpenCV, .* run `pip install 'kvision\[atari\]'`$"):
            wrappers.wrapped(env, options)
    else:
        wrapped = wrappers.wrapped(env, options)
        np.testing.assert_array_equal(seen(wrapped, steps=2), np.full((84, 84, 4), 7))
