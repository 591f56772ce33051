"""A corridor of three cells, the last of which is the goal, for agents with tables: every move can be worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision import catalog
from kvision.engine import session

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.engine.session import Session
    from kvision.systems.rl._table import Tabular

LEFT, DOWN, RIGHT, UP = range(4)
CORRIDOR = """
system: rl/{name}
model: {{gamma: 0.5}}
loss: {{}}
data: {{source: grid_world, map: ["S.G"], step_reward: -0.1, max_episode_steps: 20, batch: 1, envs: 1, steps: 100, episodes: 2}}
optim: {{name: sgd, lr: 0.5, momentum: 0.0, schedule: constant}}
train: {{epochs: 1, seed: 0}}
"""
GREEDY = ("model.exploration.start=0.0", "model.exploration.end=0.0")


def opened(folder: Path, name: str, *overrides: str, text: str = CORRIDOR) -> Session:
    """A session of an agent in the corridor, or in what another recipe says."""
    (folder / "recipe.yaml").write_text(text.format(name=name))
    found = catalog.load(folder / "recipe.yaml", overrides)
    return session.open_session(found, catalog.system(found.recipe.system), catalog.source(found.recipe.data.source), devices="cpu")


def write(system: Tabular, **rows: list[float]) -> None:
    """Sets rows of the table, `s0=[...]`; the others are 0."""
    table = np.zeros(system.sizes, np.float32)
    for name, row in rows.items():
        table[int(name[1:])] = row
    system.net.set_weights([table])


def read(system: Tabular) -> np.ndarray:
    """The table."""
    return system.net.get_weights()[0]
