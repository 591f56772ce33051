"""Weights to begin with, of another run, of a file of Keras or of tensors by name, or published ones; and the colours that they were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from kvision.core import words
from kvision.core.errors import RunError, UsageError
from kvision.core.names import did_you_mean
from kvision.data.preprocess import Preprocess
from kvision.engine import runfolder, state, torch_file
from kvision.engine.replica import native

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import numpy as np

    from kvision.core.schema import DataOptions

Colour = tuple[float, float, float]
KERAS, SAFETENSORS, TORCH = ".keras", ".safetensors", (".pth", ".pt", ".bin")
_CHECKPOINT = "train/step"
"""What stands in a checkpoint's file of tensors alone."""


@dataclass(frozen=True)
class Pretrained:
    """Weights by the names that `state.weights` gives them, or, as they are read from a file of tensors, by those that it has.

    Attributes:
        values: Arrays by name.
        origin: Where they come from, for messages.
        optional: Prefixes of the names of what a new task may replace: they are left random where shape or name differ.
        colour: Mean and deviation of the channels that the pictures were normalised with, 0-1; none: not known, so the new data's own are taken.
    """

    values: Mapping[str, np.ndarray]
    origin: str
    optional: tuple[str, ...] = ()
    colour: tuple[Colour, Colour] | None = None

    def preprocess(self, options: DataOptions) -> Preprocess | None:
        """How new pictures are prepared: in the recipe's size, with the colours that the weights know; none: not known."""
        return None if self.colour is None else Preprocess(options.size_px, options.fit, *self.colour)


def put(networks: Mapping[str, keras.Model], given: Pretrained) -> list[str]:
    """Puts the weights into the networks.

    Args:
        networks: By role.
        given: The weights.

    Returns:
        Names of the weights that keep their random start, because they are optional and do not fit.

    Raises:
        RunError: If a weight that is not optional is missing or has another shape; nothing is written then.
    """
    variables = state.weights(networks)
    unfit = [name for name, variable in variables.items() if name not in given.values or given.values[name].shape != tuple(variable.shape)]
    wrong = [name for name in unfit if not name.startswith(given.optional)] if given.optional else unfit
    if wrong:
        seen = [f"{name} {list(variables[name].shape)}{_instead(name, given.values)}" for name in wrong]
        raise RunError(
            f"model.weights: {given.origin} fits another network; {words.counted(len(wrong), 'weight')} of {len(variables)} can't be had from it: "
            f"{words.listed(seen, state.SHOWN)}; use the model options that it was trained with (`kvision show RUN --resolved`)"
        )
    for name, variable in variables.items():
        if name not in unfit:
            native(variable).assign(given.values[name])
    return unfit


def read(path: Path, optional: Collection[str] = ()) -> Pretrained:
    """Reads the weights of a run, or of a file.

    Args:
        path: A run folder, whose best weights are taken; a `.keras` file; or tensors by name, in `.safetensors` (also a checkpoint's) or PyTorch's
            files.
        optional: As `Pretrained.optional`.

    Returns:
        The weights; what is no whole number as float32 where they come from tensors by name.

    Raises:
        UsageError: If there is nothing of the kind at the path.
        RunError: If it can't be read.
    """
    file = path / runfolder.MODEL if path.is_dir() else path
    if not file.is_file() or file.suffix not in (KERAS, SAFETENSORS, *TORCH):
        beside = [str(each) for each in path.parent.iterdir() if each != path] if path.parent.is_dir() else []
        what = f"is no {KERAS}, {SAFETENSORS} or {TORCH[0]} file"
        if path.is_dir():
            what = f"holds no {runfolder.MODEL}: is it a run folder, and is the run finished?"
        raise UsageError(f"model.weights: {path} {what if path.exists() else 'does not exist'}{did_you_mean(str(path), beside)}")
    if file.suffix != KERAS:
        values, home = _tensors(file), file.parent
        if _CHECKPOINT in values:
            values = {name.removeprefix("net/"): value for name, value in values.items() if name.startswith("net/")}
            home = file.parent.parent.parent  # of a file that was copied elsewhere perhaps no run's
        found = {name: value if value.dtype.kind in "iub" else value.astype("float32") for name, value in values.items()}
        return Pretrained(found, str(path), tuple(optional), _colour(home))
    try:
        net: Any = keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"model.weights: {file} can't be loaded by Keras: {str(error).splitlines()[0]}") from error
    return Pretrained(state.read(state.weights({"net": net})), str(path), tuple(optional), _colour(file.parent))


def _tensors(file: Path) -> dict[str, np.ndarray]:
    """All that is in a file of tensors by name."""
    from safetensors import SafetensorError, numpy

    if file.suffix in TORCH:
        return torch_file.read(file)
    try:
        return numpy.load_file(file)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"model.weights: {file} can't be read as safetensors: {error}; is it whole? copy or download it again") from error


def _colour(folder: Path) -> tuple[Colour, Colour] | None:
    """What the run in a folder says of its colours; none: the folder is no run's."""
    if not (folder / runfolder.DATA).is_file():
        return None
    told = runfolder.read_json(folder / runfolder.DATA)["preprocess"]
    return tuple(told["mean"]), tuple(told["std"])


def _instead(name: str, values: Mapping[str, np.ndarray]) -> str:
    return f" (there {list(values[name].shape)})" if name in values else " (not there)"
