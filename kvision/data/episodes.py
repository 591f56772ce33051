"""Sources of environments: an example of the training split is one environment step, one of the others a whole episode, known by its seed.

So `data.batch` is the number of environment steps between two updates, and an epoch has `data.steps` of them.
"""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from kvision.core.schema import Chosen, SourceOptions
from kvision.data import host
from kvision.data.environments.environment import STREAMS, first_seeds
from kvision.data.source import DataInfo, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import tensorflow as tf

    from kvision.data.environments.environment import Maker
    from kvision.data.source import SplitName

FIELDS = ("seed",)


class EpisodeOptions(SourceOptions):
    """How an environment is played: lanes, steps and episodes."""

    batch: int = Field(256, ge=1, le=10**6, description="Environment steps between two updates, over all lanes; a multiple of `envs`.")
    envs: int = Field(8, ge=1, le=4096, description="Lanes that are played side by side.")
    steps: int = Field(10_000, ge=1, le=10**8, description="Environment steps of an epoch, over all lanes; each epoch ends with an evaluation.")
    episodes: int = Field(20, ge=1, le=100_000, description="Episodes of an evaluation, each with a seed of its own that training never meets.")

    @property
    def resumes_within_episodes(self) -> bool:
        """Whether a resumed run goes on in the middle of its episodes, and does not begin new ones."""
        return True

    @property
    def val_batch(self) -> int:
        """As many episodes side by side as there are, in eights, at most 64."""
        return -(-min(self.episodes, 64) // 8) * 8

    def chosen(self) -> dict[str, Chosen]:
        """`cache`: there is nothing to keep."""
        return {"cache": Chosen("episodes are played, not read", "none")} if self.cache == "auto" else {}


class EpisodeSplit:
    """Numbered steps or episodes.

    Args:
        names: A name for each.
        seeds: int64 `[N]`, of episodes; none: they are steps.

    Attributes:
        alike: Whether one example is as good as another, so that batches need not differ: nothing is read from a step.
    """

    in_memory = True

    def __init__(self, names: Sequence[str], seeds: np.ndarray | None) -> None:
        self.names: Sequence[str] = names
        self._seeds = seeds
        self.alike = seeds is None

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """`seed` int64 of an episode; of a step one that is of the training's, too."""
        import tensorflow as tf

        if "seed" not in fields:
            return {}
        return {"seed": 4 * index + STREAMS["train"] if self._seeds is None else tf.gather(self._tensor, index)}

    @functools.cached_property
    def _tensor(self) -> tf.Tensor:
        return host.tensor(self._seeds)


class EpisodeSource(Source):
    """Steps and episodes of one environment."""

    Options: ClassVar[type[EpisodeOptions]] = EpisodeOptions
    options: EpisodeOptions

    @abc.abstractmethod
    def maker(self) -> Maker:
        """What makes the environment; raises `DataError` or `UsageError` if it can't be had."""

    @functools.cached_property
    def info(self) -> DataInfo:
        """The environment; there are no classes."""
        return DataInfo((), (), frozenset(FIELDS), environment=self.maker())

    def split(self, name: SplitName) -> EpisodeSplit:
        """Steps of the training split, or episodes of another one; those of validation and test do not depend on `train.seed`."""
        title = self.info.environment.name if self.info.environment else ""
        if name == "train":
            return EpisodeSplit([f"{title}/step/{number}" for number in range(self.options.steps)], None)
        seeds = first_seeds(name, STREAMS[name], self.options.episodes)
        return EpisodeSplit([f"{title}/{name}/seed {seed}" for seed in seeds], seeds)

    def report(self) -> dict[str, Any]:
        """The environment, and what it shows and takes."""
        environment = self.info.environment
        return {} if environment is None else {"environment": environment.name, "spaces": str(environment.spaces), "threshold": environment.threshold}
