"""Agents with replay buffers in the identity world, small enough for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision import catalog
from kvision.engine import session

if TYPE_CHECKING:
    from kvision.engine.session import Session

SMALL = (
    *("data.source=identity", "data.envs=4", "data.batch=16", "data.steps=1984", "data.episodes=8", "train.epochs=1", "optim.schedule=constant"),
    *("model.gamma=0.5", "model.hidden=[32]", "model.capacity=2000", "model.learning_starts=64", "model.minibatch=32", "model.gradient_steps=8"),
)
CONTINUOUS = (*SMALL, "data.kind=continuous", "data.dims=1")


def opened(name: str, *overrides: str, devices: str = "cpu") -> Session:
    """A session of a shipped recipe; of two values for an option the later one counts."""
    last = dict(override.split("=", 1) for override in overrides)
    found = catalog.load(f"rl/{name}", [f"{path}={value}" for path, value in last.items()])
    return session.open_session(found, catalog.system(found.recipe.system), catalog.source(found.recipe.data.source), devices=devices)
