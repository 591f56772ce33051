"""Recorded episodes: one `.npz` file of NumPy, a row a step, the episodes one after the other.

    observations  [M, ...]  float32, uint8 or int32, what was shown before each action
    actions       [M] int32 for one discrete action, [M, D] int32 for several, [M, D] float32 for continuous ones
    rewards       [M] float32
    terminated    [M] bool, the step ended its episode in a state from which nothing more is to be had
    truncated     [M] bool, the episode was cut off after the step
    episode       [M] int64, the number of the episode that the step belongs to, never falling

`kvision predict RUN --record FILE.npz` writes one, and so does `write`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from kvision.core import disk
from kvision.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.data.environments.spaces import Spaces

FIX = "record them by kvision predict RUN --record FILE.npz, or save them by numpy.savez with the arrays that docs/agents.md describes"


@dataclass(frozen=True)
class Recorded:
    """The steps of some episodes, see the module."""

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    episode: np.ndarray

    def __len__(self) -> int:
        """M, the steps."""
        return len(self.episode)

    @property
    def starts(self) -> np.ndarray:
        """Rows with which episodes begin, int64 `[E]`."""
        return np.flatnonzero(np.diff(self.episode, prepend=self.episode[:1] - 1))

    @property
    def returns(self) -> np.ndarray:
        """The sum of each episode's rewards, float64 `[E]`."""
        return np.add.reduceat(self.rewards.astype(np.float64), self.starts)

    def first(self, episodes: int) -> Recorded:
        """So many episodes from the beginning; all, where there are not more."""
        starts = self.starts
        end = starts[episodes] if episodes < len(starts) else len(self)
        return Recorded(*(getattr(self, field.name)[:end] for field in fields(self)))


KEYS = tuple(field.name for field in fields(Recorded))


def write(file: Path, recorded: Recorded) -> None:
    """Writes the file, whole or not at all; raises `RunError` if the disk refuses."""
    content = io.BytesIO()
    np.savez_compressed(content, **{key: getattr(recorded, key) for key in KEYS})
    with disk.writing(file.parent, file.name, "--record"):
        file.parent.mkdir(parents=True, exist_ok=True)
        disk.replace(file, content.getvalue())


def read(file: Path) -> Recorded:
    """Reads a file.

    Args:
        file: The `.npz`.

    Returns:
        Its steps; rewards as float32, ends as bool, episodes as int64.

    Raises:
        DataError: If it is not there or damaged, lacks an array, or what it says can't be; names the array, the step and the fix.
    """
    try:
        with file.open("rb") as opened:
            content = np.load(opened, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            lacking = [key for key in KEYS if key not in content.files]
            if lacking:
                raise DataError(f"{file}: lacks {', '.join(lacking)}; it holds {', '.join(content.files) or 'nothing'}; {FIX}")
            arrays = {key: content[key] for key in KEYS}
        if not all(isinstance(each, np.ndarray) for each in arrays.values()):
            raise ValueError("one of them is no array")
    except DataError:
        raise
    except Exception as error:  # a damaged archive can fail in any way
        raise DataError(f"{file}: can't be read as recorded episodes ({error}); {FIX}") from error
    _check_rows(file, arrays)
    _check_values(file, arrays)
    types = {"rewards": np.float32, "terminated": np.bool_, "truncated": np.bool_, "episode": np.int64}
    recorded = Recorded(**{key: value.astype(types.get(key, value.dtype)) for key, value in arrays.items()})
    _check_ends(file, recorded)
    return recorded


def fitting(recorded: Recorded, spaces: Spaces, what: str) -> Recorded:
    """The same steps in the types of an environment.

    Args:
        recorded: The steps.
        spaces: Of the environment.
        what: Where the steps are from, for messages.

    Returns:
        Observations and actions as the environment has them.

    Raises:
        DataError: If they are of another environment.
    """
    shape = recorded.observations.shape[1:]
    if shape != spaces.observation_shape:
        raise DataError(
            f"{what}: an observation is {list(shape)}, but data.id shows {spaces}; give id and wrappers of the environment that was recorded"
        )
    if recorded.actions.shape[1:] != spaces.action_shape or (spaces.discrete and recorded.actions.dtype.kind not in "iu"):
        raise DataError(
            f"{what}: an action is {recorded.actions.dtype} {list(recorded.actions.shape[1:])}, but data.id takes {spaces.action_dtype} "
            f"{list(spaces.action_shape)} ({spaces}); give the id of the environment that was recorded"
        )
    limits = [*(("actions", recorded.actions, spaces.actions) for _ in range(spaces.discrete))]
    if spaces.num_states is not None:
        limits.append(("observations", recorded.observations, (spaces.num_states,)))
    for name, values, sizes in limits:
        wrong = (values < 0) | (values >= (np.array(sizes) if len(sizes) > 1 else sizes[0]))
        if wrong.any():
            row = int(np.argmax(wrong.reshape(len(values), -1).any(1)))
            raise DataError(f"{what}: {name} holds {values[row]} in {_place(recorded.episode, row)}, but data.id has {spaces}, numbered from 0 on")
    return Recorded(
        recorded.observations.astype(spaces.observation_dtype),
        recorded.actions.astype(spaces.action_dtype),
        recorded.rewards,
        recorded.terminated,
        recorded.truncated,
        recorded.episode,
    )


def _place(episode: np.ndarray, row: int) -> str:
    """A row, as a person finds it."""
    return f"step {row - int(np.argmax(episode == episode[row]))} of episode {episode[row]} (row {row})"


def _check_rows(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """As many rows in each array, at least one."""
    flat = [key for key in ("rewards", "terminated", "truncated", "episode") if arrays[key].ndim != 1]
    if flat:
        raise DataError(f"{file}: {flat[0]} is {list(arrays[flat[0]].shape)}; it must be [M], one number a step")
    rows = {key: value.shape[0] if value.ndim else 0 for key, value in arrays.items()}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{key} {count}" for key, count in rows.items())
        raise DataError(f"{file}: the arrays differ in length: {told}; each holds one row a step; {FIX}")
    if not rows["episode"]:
        raise DataError(f"{file}: holds no steps; {FIX}")


def _check_values(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Numbers only, and finite ones."""
    for key, values in arrays.items():
        accepted = "biu" if key in ("terminated", "truncated", "episode") else "fiub"
        if values.dtype.kind not in accepted:
            raise DataError(f"{file}: {key} holds {values.dtype}; {'bool or whole numbers' if accepted == 'biu' else 'numbers'} are accepted; {FIX}")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values.reshape(len(values), -1)).all(1)))
            raise DataError(
                f"{file}: {key} holds {values[row]} in {_place(arrays['episode'], row)}; all must be finite numbers: "
                "record it again, or leave that episode out"
            )


def _check_ends(file: Path, recorded: Recorded) -> None:
    """Episodes one after the other, none of which goes on after its end."""
    fallen = np.flatnonzero(np.diff(recorded.episode) < 0)
    if fallen.size:
        row = int(fallen[0]) + 1
        raise DataError(
            f"{file}: row {row} belongs to episode {recorded.episode[row]}, the one before to {recorded.episode[row - 1]}; "
            "the steps of an episode must stand together, in their order, and numbers of episodes must not fall"
        )
    over = (recorded.terminated | recorded.truncated)[:-1] & (recorded.episode[1:] == recorded.episode[:-1])
    if over.any():
        row = int(np.argmax(over))
        raise DataError(f"{file}: {_place(recorded.episode, row)} ends the episode, but row {row + 1} still belongs to it; number it as the next one")
