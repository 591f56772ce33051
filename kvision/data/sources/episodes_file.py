"""Recorded episodes to be imitated: from an .npz file, or made by a scripted expert; the environment that they are from is played in evaluation.

An example of the training split is one recorded step, with `observation` and `action`; of the others a whole episode, known by its seed, as in every
source of environments. The file is described in `kvision.data.environments.recorded`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from kvision.data import host
from kvision.data.environments.environment import first_seeds
from kvision.data.episodes import FIELDS, EpisodeOptions, EpisodeSplit
from kvision.data.source import DataInfo
from kvision.data.sources import gymnasium

if TYPE_CHECKING:
    import tensorflow as tf

    from kvision.data.environments.recorded import Recorded
    from kvision.data.source import SplitName

OF_EXPERT = 20
"""Episodes that a scripted expert plays unless told otherwise."""


class Options(gymnasium.Options):
    """Which episodes, and the environment that they are from."""

    source: Literal["episodes_file"] = "episodes_file"  # type: ignore[assignment]
    path: str | None = Field(None, description="The .npz of recorded episodes, relative to the recipe's file.")
    expert: Literal["scripted"] | None = Field(
        None, validate_default=True, description="In place of a file: `scripted`, episodes of a controller written by hand, for CartPole-v1."
    )
    demonstrations: int | None = Field(None, ge=1, le=10**6, description="Episodes to learn from, the first ones; none: all, of an expert 20.")
    steps: int = Field(0, ge=0, le=10**8, description="Steps of an epoch, which takes the recorded ones in turn; 0: each of them once.")

    @field_validator("expert")
    @classmethod
    def _one_of_both(cls, value: str | None, info: ValidationInfo) -> str | None:
        path = info.data.get("path")
        if (path is None) == (value is None):
            given = "neither data.path nor data.expert is given" if path is None else f"got path={path} and expert={value}"
            raise ValueError(f"{given}; give data.path=FILE.npz, or data.expert=scripted for CartPole-v1")
        return value


_Options = Options  # inside the source, `Options` is its attribute


class RecordedSplit:
    """Recorded steps, taken in turn where there are more examples.

    Args:
        recorded: The steps.
        name: Of the environment.
        count: Examples; 0: one a step.
    """

    in_memory = True

    def __init__(self, recorded: Recorded, name: str, count: int) -> None:
        self._recorded = recorded
        steps = np.arange(len(recorded)) - np.repeat(recorded.starts, np.diff([*recorded.starts, len(recorded)]))
        own = [f"{name}/episode {episode}/step {step}" for episode, step in zip(recorded.episode, steps, strict=True)]
        self.names = [own[number % len(own)] for number in range(count or len(own))]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """`observation` and `action` of a step; its `seed` is 0, as of every step."""
        import tensorflow as tf

        row = index % len(self._recorded)
        found = {"seed": tf.zeros_like(index), "observation": tf.gather(self._observations, row), "action": tf.gather(self._actions, row)}
        return {field: value for field, value in found.items() if field in fields}

    @functools.cached_property
    def _observations(self) -> tf.Tensor:
        return host.tensor(self._recorded.observations)

    @functools.cached_property
    def _actions(self) -> tf.Tensor:
        return host.tensor(self._recorded.actions)


class EpisodesFile(gymnasium.GymnasiumSource):
    """Recorded steps, and episodes of their environment."""

    Options: ClassVar[type[EpisodeOptions]] = Options
    options: _Options

    @functools.cached_property
    def recorded(self) -> Recorded:
        """The steps that are learnt from; raises `DataError` if the file does not serve, `UsageError` if there is no such expert."""
        from kvision.data.environments import experts, playing, recorded

        maker, wanted = self.maker(), self.options.demonstrations
        if self.options.path is None:
            policy = experts.scripted(self.options.id)
            return playing.play(maker, policy, first_seeds("train", 0, wanted or OF_EXPERT))
        file = self.located(self.options.path)
        found = recorded.fitting(recorded.read(file), maker.spaces, str(file))
        return found if wanted is None else found.first(wanted)

    @functools.cached_property
    def info(self) -> DataInfo:
        """The environment, and what the training split has beside."""
        return DataInfo((), (), frozenset({*FIELDS, "observation", "action"}), environment=self.maker())

    def split(self, name: SplitName) -> EpisodeSplit | RecordedSplit:  # type: ignore[override]
        """Recorded steps of the training split, or episodes to be played of another one."""
        return RecordedSplit(self.recorded, self.options.id, self.options.steps) if name == "train" else super().split(name)

    def report(self) -> dict[str, Any]:
        """The environment, and whose episodes are learnt from."""
        recorded = self.recorded
        return {
            **super().report(),
            "demonstrations": self.options.path or f"scripted expert for {self.options.id}, written by hand",
            "num_demonstrations": len(recorded.starts),
            "mean_return": float(recorded.returns.mean()),
        }
