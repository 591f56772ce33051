from __future__ import annotations

import importlib.util

import gymnasium
import numpy as np
import pytest

from kvision.data.environments import extras, wrappers
from kvision.data.environments.spaces import of_gymnasium
from kvision.data.palette import palette
from tests.unit.data.environments.test_wrappers import Options

ABSENT = ModuleNotFoundError("No module named 'x'", name="x")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("LunarLander-v3", gymnasium.error.DependencyNotInstalled("Box2D"), "run `pip install 'kvision[box2d]'`"),
        ("HalfCheetah-v5", gymnasium.error.DependencyNotInstalled("MuJoCo"), "run `pip install 'kvision[mujoco]'`"),
        ("MiniGrid-Empty-5x5-v0", ABSENT, "run `pip install 'kvision[minigrid]'`"),
        ("MinAtar/Breakout-v1", ABSENT, "run `pip install 'kvision[minatar]'`; note its licence, GPL-3.0"),
        ("ALE/Pong-v5", ABSENT, "run `pip install 'kvision[atari]'`; note its licence, GPL-2.0"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(name: str, error: Exception, message: str) -> None:
    assert extras.missing(name, error) == f"data.id: {name} needs a package that is not installed: {message}"


def test_an_unknown_environment_is_told_with_one_that_is_alike() -> None:
    with pytest.raises(gymnasium.error.Error) as caught:
        gymnasium.make("CartPol-v1")
    assert extras.missing("CartPol-v1", caught.value) == 'data.id: Gymnasium knows no environment CartPol-v1; did you mean "CartPole-v1"?'


def test_a_module_of_the_users_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        gymnasium.make("not_there:Mine-v0")
    message = "data.id: not_there:Mine-v0 names the module 'not_there', which Python does not find; install it, or start where it can be imported"
    assert extras.missing("not_there:Mine-v0", caught.value) == message


def test_other_faults_are_told_in_gymnasiums_words() -> None:
    with pytest.raises(gymnasium.error.Error) as caught:
        gymnasium.make("CartPole-v9")
    assert extras.missing("CartPole-v9", caught.value).startswith("data.id: CartPole-v9: Environment version `v9`")


def made(name: str) -> gymnasium.Env:
    extra = extras.extra(name)
    assert extra is not None
    package = {"minatar": "minatar", "minigrid": "minigrid"}[extra.name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    extras.register(name)
    return wrappers.wrapped(gymnasium.make(name), Options(id=name))


def test_minatar_is_played_in_bytes_and_an_episode_is_its_seeds_alone() -> None:
    env = made("MinAtar/Breakout-v1")
    assert of_gymnasium("MinAtar/Breakout-v1", env).observation_dtype == "uint8"

    def episode(seed: int) -> np.ndarray:
        shown, generator = [env.reset(seed=seed)[0]], np.random.default_rng(1)
        for _ in range(60):
            shown += [env.step(int(generator.integers(3)))[0]]
        return np.stack(shown)

    first, other = episode(5), episode(6)
    assert first.shape == (61, 10, 10, 4)
    assert set(np.unique(first)) == {0, 255}
    np.testing.assert_array_equal(episode(5), first)
    assert (first != other).any()


def test_minatar_is_drawn_in_a_colour_for_each_channel() -> None:
    env = made("MinAtar/Breakout-v1")
    env.reset(seed=0)
    picture = env.get_wrapper_attr("render")()
    assert (picture.shape, picture.dtype) == ((320, 320, 3), np.uint8)
    shown = env.get_wrapper_attr("game").state()
    assert (picture[::32, ::32].any(2) == shown.any(2)).all()
    paddle, brick = palette(5)[1], palette(5)[4]
    assert (picture[::32, ::32][shown[:, :, 0]] == paddle).all()
    assert (picture[::32, ::32][shown[:, :, 3]] == brick).all()


def test_minigrid_is_shown_as_planes() -> None:
    env = made("MiniGrid-Empty-5x5-v0")
    observation, _ = env.reset(seed=0)
    assert (observation.shape, observation.dtype) == ((7, 7, 20), np.uint8)
    assert (observation.astype(int).sum(2) == 3 * 255).all()  # an object, a colour and a state in every cell
