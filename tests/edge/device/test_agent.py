"""An agent in its environment does what the policy's decoder says, step by step."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import kvision_edge
from kvision_edge import agent, cli
from kvision_edge.errors import RunnerError, UsageError
from kvision_edge.postprocess.policy import Action
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path


def gym() -> Any:
    return pytest.importorskip("gymnasium", reason="Gymnasium is an extra, and not installed here")


def changed(bundle: Path, folder: Path, **decode: Any) -> Path:
    """The policy with other settings."""
    bundle = shutil.copytree(bundle, folder / "policy")
    tiny.changed(bundle, decode=decode)
    return bundle


@pytest.mark.parametrize("form", ["fp32", "int8-full"])
def test_returns_are_those_of_stepping_the_environment_with_the_decoder(policy: Path, tmp_path: Path, form: str) -> None:
    gymnasium = gym()
    bundle = changed(policy, tmp_path, sample=True, seed=3)  # a policy that is drawn from falls over now and then
    expected = []
    model, environment = kvision_edge.load(bundle, format=form), gymnasium.make("CartPole-v1")
    for seed in range(7, 11):
        observation, _ = environment.reset(seed=seed)
        total, length, ended = 0.0, 0, False
        while not ended:
            action = model.decode(model.infer(model.prepare({"observation": observation})), model.prepare({"observation": observation}))
            assert isinstance(action, Action)
            observation, reward, terminated, truncated, _ = environment.step(action.action)
            total, length, ended = total + reward, length + 1, terminated or truncated
        expected.append((seed, total, length))
    found = list(agent.World(kvision_edge.load(bundle, format=form)).episodes(4, 7))
    assert [(each.seed, each.total, each.length) for each in found] == expected


def test_the_policy_balances_the_pole_to_the_time_limit(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gym()
    assert cli.main(["run", str(policy), "env:CartPole-v1", "--episodes", "2", "--seed", "5", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"seed": seed, "return": 500.0, "length": 500, "end": "truncated"} for seed in (5, 6)]
    assert cli.main(["run", str(policy), "env:", "--episodes", "1"]) == 0  # the one that the bundle names
    captured = capsys.readouterr()
    assert captured.out == "seed 0: return 500, 500 steps, truncated\n"
    assert "1 episodes of CartPole-v1: return 500.0 ± 0.0, 500 to 500" in captured.err


def corridor(render: bool = True, space: Any = None) -> Any:
    """Three steps to the right; a picture of where one is."""
    gymnasium = gym()

    class Corridor(gymnasium.Env):
        metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
        observation_space = gymnasium.spaces.Box(-1, 1, (4,))
        action_space = space if space is not None else gymnasium.spaces.Discrete(2)

        def __init__(self, render_mode: str | None = None) -> None:
            self.render_mode, self.taken = render_mode, []

        def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
            super().reset(seed=seed)
            self.at = 0
            return np.array([0, 0, 0.02, 0], np.float32), {}

        def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
            self.taken.append(action)
            self.at += 1
            return np.array([0, 0, 0.02, 0], np.float32), 0.5, self.at == 3, False, {}

        def render(self) -> np.ndarray:
            if not render:
                raise ImportError("no library to draw with")
            frame = np.zeros((40, 800, 3), np.uint8)
            frame[:, 200 * self.at : 200 * self.at + 200] = 255
            return frame

    return Corridor


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers an environment class as Corridor-v0."""
    gymnasium = gym()
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    return lambda made: gymnasium.register("Corridor-v0", made, disable_env_checker=True)


def test_episodes_are_recorded(policy: Path, tmp_path: Path, registered: Any) -> None:
    registered(corridor())
    out = tmp_path / "out"
    assert cli.main(["run", str(policy), "env:Corridor-v0", "--episodes", "2", "--out", str(out)]) == 0
    noted = json.loads((out / "predictions.json").read_text())
    assert noted["environment"] == "Corridor-v0"
    assert [(each["return"], each["recording"]) for each in noted["episodes"]] == [(1.5, "episode-000.gif"), (1.5, "episode-001.gif")]
    with Image.open(out / "episode-001.gif") as film:
        assert (film.n_frames, film.size, film.info["duration"]) == (4, (320, 16), 100)
        film.seek(2)
        assert film.convert("L").getpixel((200, 8)) > 250
        assert film.convert("L").getpixel((40, 8)) < 5


def test_an_environment_that_can_not_be_drawn_is_played_all_the_same(
    policy: Path, tmp_path: Path, registered: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(corridor(render=False))
    assert cli.main(["run", str(policy), "env:Corridor-v0", "--episodes", "1", "--out", str(tmp_path / "out")]) == 0
    assert "no recording: Corridor-v0 can't be drawn (no library to draw with)" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.json"]


@pytest.mark.parametrize(("squash", "expected"), [(False, [0.0, 0.2]), (True, [1.5 - 1.5 * np.tanh(0.2), 1.5 + 1.5 * np.tanh(0.2)])])
def test_continuous_actions_come_into_the_bounds_of_the_environment(
    policy: Path, tmp_path: Path, registered: Any, squash: bool, expected: list[float]
) -> None:
    space = gym().spaces.Box(np.zeros(2, np.float32), np.full(2, 3, np.float32))
    registered(corridor(space=space))
    bundle = changed(policy, tmp_path, policy="gaussian", squash=squash)
    world = agent.World(kvision_edge.load(bundle, format="fp32"), "Corridor-v0")
    list(world.episodes(1, 0))
    (first, *_) = world._environment.unwrapped.taken
    np.testing.assert_allclose(first, expected, rtol=1e-5)  # means of -0.2 and 0.2, bounds of 0 and 3


def test_what_does_not_fit_is_named(policy: Path, segmentation: Path, tmp_path: Path, registered: Any) -> None:
    model = kvision_edge.load(policy)
    with pytest.raises(UsageError, match=r"env:Nothing-v0: Gymnasium .* can't make it .*doesn't exist"):
        agent.World(model, "Nothing-v0")
    with pytest.raises(UsageError, match="env:CartPole-v1: environments are for policies, and tiny is a segmentation model; give pictures"):
        agent.World(kvision_edge.load(segmentation), "CartPole-v1")
    with pytest.raises(UsageError, match=r"env:Acrobot-v1: .*observation of predict must be \[1, 4\], got \[1, 6\]"):
        list(agent.World(model, "Acrobot-v1").episodes(1, 0))
    with pytest.raises(UsageError, match="the bundle names no environment; say which, such as env:CartPole-v1"):
        agent.World(kvision_edge.load(changed(policy, tmp_path, environment="")))
    registered(corridor(space=gym().spaces.Discrete(3)))
    with pytest.raises(UsageError, match=r"env:Corridor-v0: it takes Discrete\(3\), the policy of tiny has 2 actions"):
        list(agent.World(model, "Corridor-v0").episodes(1, 0))


def test_a_discrete_action_counts_from_where_the_environment_does(policy: Path, registered: Any) -> None:
    registered(corridor(space=gym().spaces.Discrete(2, start=5)))
    world = agent.World(kvision_edge.load(policy), "Corridor-v0")
    list(world.episodes(1, 0))
    assert world._environment.unwrapped.taken == [6, 6, 6]


def test_the_parts_of_an_action_go_to_a_multi_discrete_space(policy: Path, tmp_path: Path, registered: Any) -> None:
    registered(corridor(space=gym().spaces.MultiDiscrete([1, 1])))
    world = agent.World(kvision_edge.load(changed(policy, tmp_path, actions=[1, 1])), "Corridor-v0")
    list(world.episodes(1, 0))
    assert [each.tolist() for each in world._environment.unwrapped.taken] == [[0, 0]] * 3


def test_the_action_for_one_observation(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, lean in (("left.npy", -0.1), ("right.npy", 0.1)):
        np.save(tmp_path / name, np.array([0, 0, lean, 0], np.float32))
    assert cli.main(["run", str(policy), str(tmp_path / "left.npy"), str(tmp_path / "right.npy"), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["task"], each["action"], each["label"]) for each in found] == [("policy", 0, tiny.ACTIONS[0]), ("policy", 1, tiny.ACTIONS[1])]
    np.save(tmp_path / "short.npy", np.zeros(3, np.float32))
    assert cli.main(["run", str(policy), str(tmp_path / "short.npy")]) == 1
    assert "observation of predict must be [1, 4], got [1, 3]" in capsys.readouterr().err
    (tmp_path / "bad.npy").write_bytes(b"no array")
    assert cli.main(["run", str(policy), str(tmp_path / "bad.npy")]) == 1
    assert "bad.npy: can't be read as .npy" in capsys.readouterr().err


def test_observations_that_are_no_arrays_are_named(policy: Path, registered: Any) -> None:
    class Named(corridor()):
        def reset(self, **options: Any) -> tuple[dict, dict]:
            observation, found = super().reset(**options)
            return {"place": observation}, found

    registered(Named)
    with pytest.raises(UsageError, match=r"env:Corridor-v0: the policy of tiny takes arrays of numbers, it gives others \(float\(\) argument"):
        list(agent.World(kvision_edge.load(policy), "Corridor-v0").episodes(1, 0))


def test_without_gymnasium_the_message_says_what_to_install(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(RunnerError, match=r"env:CartPole-v1: environments need Gymnasium; `pip install gymnasium`"):
        agent.World(kvision_edge.load(policy))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["env:CartPole-v1", "a.png"], "env:CartPole-v1 a.png: give one env:NAME, and nothing beside it"),
        (["env:CartPole-v1", "--episodes", "0"], "--episodes 0 --seed 0: accepted are 1 or more, and 0 or more"),
    ],
)
def test_arguments_that_do_not_fit(policy: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert cli.main(["run", str(policy), *arguments]) == 2
    assert said in capsys.readouterr().err
