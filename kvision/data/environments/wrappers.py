"""The usual wrappers of Gymnasium's environments, in the usual order, so that agents are shown vectors or pictures `[H, W, C]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers

from kvision.core.errors import DataError
from kvision.data.palette import palette

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.sources.gymnasium import Options

Env: TypeAlias = "gymnasium.Env[Any, Any]"
ATARI_PX = 84
ENLARGED = 32
"""Pixels of a cell of MinAtar in a picture for people."""


def arguments(options: Options) -> dict[str, Any]:
    """What the environment is to be made with for its wrappers' sake: Atari's without its own skipping of frames."""
    return {"frameskip": 1} if options.atari else {}


def wrapped(env: Env, options: Options) -> Env:
    """The environment in its wrappers.

    Args:
        env: As Gymnasium makes it, with `arguments`.
        options: What is asked for.

    Returns:
        It shows what `spaces.of_gymnasium` takes, unless it shows what no wrapper here turns into that.

    Raises:
        DataError: If a wrapper does not fit what the environment shows, or a package for it is missing.
    """
    env = _plain(env, options.id)
    if options.atari:
        env = _atari(env, options.id)
    if options.grey and not options.atari:
        _need_pictures(env, options.id, "grey", channels=3)
        env = wrappers.GrayscaleObservation(env, keep_dim=True)
    if options.resize_px is not None:
        _need_pictures(env, options.id, "resize_px")
        env = _resized(env, options.resize_px)
    return _stacked(env, options) if options.frame_stack > 1 else env


def _plain(env: Env, name: str) -> Env:
    """Without what no agent here reads: a dictionary's other entries, and pictures of truth values as such."""
    if name.startswith("MinAtar/"):
        env = MinAtar(env)
    if isinstance(env.observation_space, spaces.Dict) and "image" in env.observation_space.spaces:
        if name.startswith(("MiniGrid-", "BabyAI-")):
            env = _minigrid(env)
        env = wrappers.TransformObservation(env, lambda observation: observation["image"], env.observation_space["image"])  # type: ignore[index]
    seen = env.observation_space
    if isinstance(seen, spaces.Box) and len(seen.shape) == 3 and seen.dtype == np.bool_:
        env = _picture(env, lambda observation: observation.astype(np.uint8) * 255, seen.shape)
    return env


class MinAtar(gymnasium.Wrapper[Any, Any, Any, Any]):
    """MinAtar keeps the last action over the end of an episode, and may play it again in the next one: here an episode is its seed's alone.

    Its pictures for people need no seaborn here, and are bytes.
    """

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        self.env.unwrapped.game.last_action = 0  # type: ignore[attr-defined]
        return self.env.reset(seed=seed, options=options)

    def render(self) -> Any:
        """A colour for each channel, uint8 `[320, 320, 3]`."""
        shown = self.env.unwrapped.game.state()  # type: ignore[attr-defined]
        colours = np.array(palette(shown.shape[2] + 1), np.uint8)
        picture = colours[(shown * np.arange(1, shown.shape[2] + 1)).max(2)]
        return picture.repeat(ENLARGED, 0).repeat(ENLARGED, 1)


def _minigrid(env: Env) -> Env:
    """What the agent sees of a MiniGrid as planes of 0 and 255: its numbers of objects, colours and states are names and no brightness."""
    from minigrid.wrappers import OneHotPartialObsWrapper

    env = OneHotPartialObsWrapper(env)
    return wrappers.TransformObservation(env, lambda observation: {**observation, "image": observation["image"] * 255}, env.observation_space)


def _atari(env: Env, name: str) -> Env:
    """The evaluation protocol of Machado et al. 2018: up to 30 no-ops, every fourth frame, of two the brighter pixels, grey; lives do not count."""
    if not hasattr(env.unwrapped, "ale"):
        raise DataError(f"data.atari: {name} is no Atari game; leave it out, or use an id such as ALE/Breakout-v5")
    try:
        return wrappers.AtariPreprocessing(env, screen_size=ATARI_PX, grayscale_newaxis=True)
    except gymnasium.error.DependencyNotInstalled as error:
        raise DataError("data.atari needs OpenCV, which scales as in the published results: run `pip install 'kvision[atari]'`") from error


def _resized(env: Env, size_px: int) -> Env:
    """By the mean of the pixels that fall into one, as Gymnasium's own wrapper does; that one needs OpenCV, ours Pillow, which is here anyway."""
    from PIL import Image

    def resized(observation: np.ndarray) -> np.ndarray:
        planes = [Image.fromarray(observation[:, :, channel]) for channel in range(observation.shape[2])]
        return np.stack([np.asarray(plane.resize((size_px, size_px), Image.Resampling.BOX)) for plane in planes], axis=2)

    return _picture(env, resized, (size_px, size_px, env.observation_space.shape[2]))  # type: ignore[index]


def _stacked(env: Env, options: Options) -> Env:
    """The last observations, the newest last: of pictures in their channels, of vectors one after the other."""
    seen, count = env.observation_space, options.frame_stack
    if not isinstance(seen, spaces.Box) or len(seen.shape) not in (1, 3):
        raise DataError(f"data.frame_stack: {options.id} shows {seen}; only vectors and pictures can be stacked, so leave it out")
    env = wrappers.FrameStackObservation(env, count, padding_type="reset")
    if len(seen.shape) == 1:
        return wrappers.FlattenObservation(env)
    height, width, channels = seen.shape

    def channels_last(frames: np.ndarray) -> np.ndarray:
        return np.moveaxis(frames, 0, 2).reshape(height, width, count * channels)

    return _picture(env, channels_last, (height, width, count * channels), seen.dtype)


def _picture(env: Env, change: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], dtype: Any = np.uint8) -> Env:
    high = 255 if dtype == np.uint8 else np.inf
    return wrappers.TransformObservation(env, change, spaces.Box(0 if high == 255 else -high, high, shape, dtype))


def _need_pictures(env: Env, name: str, option: str, channels: int | None = None) -> None:
    seen = env.observation_space
    pictures = isinstance(seen, spaces.Box) and len(seen.shape) == 3 and seen.dtype == np.uint8
    if not pictures or (channels is not None and seen.shape[2] != channels):  # type: ignore[index]
        wanted = f"pictures of {channels} channels" if channels else "pictures"
        raise DataError(f"data.{option} is for {wanted} in bytes, and {name} shows {seen}; leave it out")
