"""An agent and its environment: the policy of a bundle steps a Gymnasium environment on the device. Gymnasium is an extra, `./edge[gym]`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Union, cast

import numpy as np
from PIL import Image

from kvision_edge.errors import RunnerError, UsageError, line

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_edge.model import Model
    from kvision_edge.postprocess.policy import Action

ENVIRONMENT = "env:"
_FRAME_PX = 320
"""Longest side of a recorded frame."""
_COLOURS = 64
"""Of a recorded frame."""


@dataclass(frozen=True)
class Episode:
    """From a reset of the environment to its end.

    Attributes:
        seed: Of the reset.
        total: The return: sum of the rewards.
        length: Steps.
        end: `terminated`, or `truncated` by the time limit.
        frames: What was to be seen before each step and at the end, where it is recorded.
    """

    seed: int
    total: float
    length: int
    end: str
    frames: List[Image.Image]

    def to_json(self) -> Dict[str, Any]:
        """All but the frames."""
        return {"seed": self.seed, "return": self.total, "length": self.length, "end": self.end}

    def text(self) -> str:
        """One line for a person."""
        return f"seed {self.seed}: return {self.total:g}, {self.length} steps, {self.end}"

    def save(self, path: Path, fps: float) -> None:
        """Writes the frames as an animated GIF."""
        first, *others = self.frames
        first.save(path, save_all=True, append_images=others, duration=max(20, round(1000 / fps)), loop=0)


class World:
    """An environment that a policy acts in.

    Args:
        model: A bundle whose task is `policy`.
        name: Gymnasium's name, such as `CartPole-v1`; empty: the one in the bundle's `decode.environment`.
        record: Whether frames are kept.

    Attributes:
        model: The bundle.
        name: Of the environment.
        fps: Frames a second that the environment is shown with.
        unseen: Why no frames are recorded; empty where they are, or are not asked for.

    Raises:
        UsageError: If the bundle holds no policy, or the environment does not exist or takes other actions.
        RunnerError: If Gymnasium, or what the environment needs of it, is not installed.
    """

    def __init__(self, model: Model, name: str = "", record: bool = False) -> None:
        if model.manifest.task != "policy":
            what = f"{model.manifest.name} is a {model.manifest.task} model"
            raise UsageError(f"{ENVIRONMENT}{name}: environments are for policies, and {what}; give pictures")
        self.name = name or model.manifest.decode.get("environment", "")
        if not isinstance(self.name, str) or not self.name:
            raise UsageError(f"{ENVIRONMENT} the bundle names no environment; say which, such as {ENVIRONMENT}CartPole-v1")
        self.model = model
        self._environment = _made(self.name, record)
        self._space = self._environment.action_space
        self._recorded, self.unseen = record, ""
        self.fps = float(self._environment.metadata.get("render_fps") or 30)

    def episodes(self, count: int, seed: int) -> Iterator[Episode]:
        """Plays.

        Args:
            count: Episodes.
            seed: Of the first reset; those that follow have the numbers that follow.

        Yields:
            One episode after the other.

        Raises:
            UsageError: If the policy takes other observations, or gives other actions.
        """
        try:
            for number in range(seed, seed + count):
                yield self._episode(number)
        except UsageError as error:
            raise UsageError(f"{ENVIRONMENT}{self.name}: {error}") from error
        finally:
            self._environment.close()

    def _episode(self, seed: int) -> Episode:
        observation, _ = self._environment.reset(seed=seed)
        total, length, terminated, truncated = 0.0, 0, False, False
        frames = self._seen()
        while not (terminated or truncated):
            observation, reward, terminated, truncated, _ = self._environment.step(self._action(observation))
            total, length = total + float(reward), length + 1
            frames += self._seen()
        return Episode(seed, total, length, "terminated" if terminated else "truncated", frames)

    def _action(self, observation: Any) -> Union[int, np.ndarray]:
        """What the policy does, as the environment takes it."""
        name, space = self.model.manifest.name, self._space
        try:
            given = np.asarray(observation, np.float32)
        except (TypeError, ValueError) as error:  # such as a dictionary
            raise UsageError(f"the policy of {name} takes arrays of numbers, it gives others ({line(error)})") from error
        answer = cast("Action", self.model.predict(given))
        sizes = tuple(np.atleast_1d(getattr(space, "nvec", getattr(space, "n", ()))).tolist())
        if answer.sizes != sizes or not (sizes or np.shape(answer.action) == space.shape):
            gives = f"has {' x '.join(map(str, answer.sizes))} actions" if answer.sizes else f"gives {len(np.atleast_1d(answer.action))} values"
            raise UsageError(f"it takes {space}, the policy of {name} {gives}")
        if sizes:
            found = answer.action + np.asarray(getattr(space, "start", 0))
            return int(found) if isinstance(answer.action, int) else found
        values = np.asarray(answer.action, np.float32)
        if self.model.manifest.decode.get("squash", False) and "low" not in self.model.manifest.decode:
            values = space.low + (values + 1) / 2 * (space.high - space.low)
        return np.clip(values, space.low, space.high)

    def _seen(self) -> List[Image.Image]:
        """The frame of this moment, small; none where it is not recorded, or can't be drawn."""
        if not self._recorded:
            return []
        try:
            frame = Image.fromarray(np.asarray(self._environment.render(), np.uint8))
        except Exception as error:  # each environment draws with a library of its own, which may be missing
            self._recorded, self.unseen = False, f"{self.name} can't be drawn ({line(error)})"
            return []
        frame.thumbnail((_FRAME_PX, _FRAME_PX))
        return [frame.quantize(_COLOURS)]


def _made(name: str, record: bool) -> Any:
    try:
        gymnasium = importlib.import_module("gymnasium")
    except ImportError as error:
        raise RunnerError(f"{ENVIRONMENT}{name}: environments need Gymnasium; `pip install gymnasium`, or give an .npz of observations") from error
    try:
        return gymnasium.make(name, render_mode="rgb_array" if record else None)
    except gymnasium.error.DependencyNotInstalled as error:
        raise RunnerError(f"{ENVIRONMENT}{name}: {line(error)}") from error
    except (gymnasium.error.Error, ImportError, ValueError, TypeError) as error:
        raise UsageError(f"{ENVIRONMENT}{name}: Gymnasium {gymnasium.__version__} can't make it ({line(error)})") from error
