"""`kvision predict RUN --record FILE.npz`: episodes of an agent as rows of arrays, to be imitated or looked into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kvision.commands import trained
from kvision.core import words
from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

EPISODES = 20


def run(
    found: trained.Trained,
    inputs: Sequence[str],
    file: str | Path,
    *,
    episodes: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    devices: str = "auto",
    precision: str | None = None,
    json_lines: bool = False,
) -> None:
    """Plays episodes side by side and writes them; nothing is drawn.

    Args:
        found: The agent.
        inputs: What the user gave beside it; must be nothing.
        file: The `.npz` that is written, see `kvision.data.environments.recorded`.
        episodes: How many; none: `EPISODES`.
        seed: Of the first one, those that follow have the numbers that follow; none: 0.
        out: Must be none, for no films are made.
        devices: As `--devices`.
        precision: `fp32`, `bf16` or `fp16`; none: as the run was trained.
        json_lines: The facts as one JSON object on the standard output.

    Raises:
        UsageError: If there are inputs, a folder for films, or the file's name does not end in .npz.
        RunError: If the run can't be used, or the disk refuses.
        DataError: If the environment fails.
    """
    import tensorflow as tf

    from kvision.data.environments import playing, recorded

    file = Path(file)
    if inputs or out is not None:
        raise UsageError(f"--record writes the steps of episodes to {file} and nothing else: leave {inputs[0] if inputs else '--out'} out")
    if file.suffix != ".npz":
        raise UsageError(f"--record: got {file}; arrays are written as .npz: use {file.with_suffix('.npz')}")
    session = trained.open_session(found, devices=devices, precision=precision)
    system, count, first = session.system, episodes or EPISODES, seed or 0
    decide, remembered = tf.function(system.decide), system.first(count)  # type: ignore[attr-defined]

    def act(seen: np.ndarray) -> np.ndarray:
        nonlocal remembered
        action, remembered = decide(tf.constant(seen), remembered)
        return action.numpy()

    made = playing.play(system.maker, act, np.arange(first, first + count))  # type: ignore[attr-defined]
    recorded.write(file, made)
    facts = {"file": str(file), "episodes": count, "seed": first, "steps": len(made), "return": float(made.returns.mean())}
    told = f"{words.counted(count, 'episode')}, {words.counted(len(made), 'step')}, mean return {facts['return']:.6g}: {file}"
    print(json.dumps(facts) if json_lines else told)
