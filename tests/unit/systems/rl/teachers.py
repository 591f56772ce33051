"""Recorded episodes of the identity world, played by teachers who are not always right."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kvision import catalog
from kvision.data.environments import playing
from kvision.data.environments.environment import Maker, first_seeds
from kvision.data.sources import identity
from kvision.data.sources.episodes_file import EpisodesFile
from kvision.engine import session

if TYPE_CHECKING:
    from kvision.data.environments.recorded import Recorded

CHOICES = 4


class Taught(EpisodesFile):
    """Twenty episodes of a teacher who says the number after the one shown (0 after the last), or of quantities their half."""

    kind: ClassVar[str] = "one_hot"

    def maker(self) -> Maker:
        options = identity.Options(kind=self.kind, choices=CHOICES, dims=2)
        return identity.IdentitySource(options, seed=0, base=self.base).maker()

    @functools.cached_property
    def recorded(self) -> Recorded:
        return playing.play(self.maker(), self.teacher, first_seeds("train", 0, 20))

    def teacher(self, observation: np.ndarray) -> np.ndarray:
        return observation / 2 if self.kind == "continuous" else (observation.argmax(-1) + 1) % CHOICES


class TaughtQuantities(Taught):
    kind = "continuous"


def opened(recipe: str, source: type[Taught], *overrides: str) -> session.Session:
    """A session of a shipped recipe that is given such episodes."""
    found = catalog.load(recipe, ["optim.schedule=constant", "model.hidden=[32]", "data.episodes=8", *overrides])
    return session.open_session(found, catalog.system(found.recipe.system), source, devices="cpu")


def answers(system: Any) -> list[int]:
    """What the policy does when it is shown each number."""
    return system.predict_step(np.eye(CHOICES, dtype=np.float32))["action"].numpy().tolist()
