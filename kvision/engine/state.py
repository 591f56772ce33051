"""All that a run must remember, by stable name: from variables to numpy arrays and back.

Names do not depend on what else the process has built: the counters that Keras adds to names it made up itself (`conv2d_7`) start anew in each
network.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import RunError
from kvision.engine.replica import AnyVariable, native

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras

SHOWN = 5
"""Differences listed in an error."""


def weights(networks: Mapping[str, keras.Model]) -> dict[str, keras.Variable]:
    """The weights of the networks, batch-norm statistics included, by name such as `net/down_1/conv2d/kernel`.

    The states of random number generators are left out, for they are functions of the step.

    Args:
        networks: Networks by role.

    Returns:
        Variables by name, in the order of networks and weights.

    Raises:
        ValueError: If two weights of one network have the same name; give their layers names of their own.
    """
    named: dict[str, keras.Variable] = {}
    for role, net in networks.items():
        for path, variable in zip(_stable_paths(net), net.weights, strict=True):
            name = f"{role}/{path}"
            if name in named:
                raise ValueError(f"two weights of {role!r} are named {path!r}; give their layers names of their own")
            named[name] = variable
    return named


def read(variables: Mapping[str, AnyVariable]) -> dict[str, np.ndarray]:
    """The values of the variables, copied; under several replicas those of the first, which all the others share."""
    return {name: np.array(native(variable).numpy()) for name, variable in variables.items()}


def write(variables: Mapping[str, AnyVariable], values: Mapping[str, np.ndarray], origin: str) -> None:
    """Puts values into the variables, on every replica.

    Args:
        variables: Variables by name.
        values: Arrays by name; there must be one for each variable, of its shape, and no other.
        origin: Where the values come from, for the message.

    Raises:
        RunError: If names or shapes differ; nothing is written then.
    """
    differences = _differences(variables, values)
    if differences:
        more = f"\n  and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise RunError(
            f"{origin} holds the weights of another model; {len(differences)} differ:\n  " + "\n  ".join(differences[:SHOWN]) + more + "\n"
            "use the recipe that these weights were trained with, or train anew"
        )
    for name, variable in variables.items():
        native(variable).assign(values[name])


def _differences(variables: Mapping[str, AnyVariable], values: Mapping[str, np.ndarray]) -> list[str]:
    found = []
    for name in sorted({*variables, *values}):
        if name not in values:
            found.append(f"{name}: missing there; here it has shape {list(variables[name].shape)}")
        elif name not in variables:
            found.append(f"{name}: shape {list(values[name].shape)} there; there is nothing of that name here")
        elif not _fits(values[name].shape, variables[name].shape):
            found.append(f"{name}: shape {list(values[name].shape)} there, {list(variables[name].shape)} here")
    return found


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Whether a shape is the one that is wanted, in which None stands for any length."""
    return len(shape) == len(wanted) and all(want in (None, size) for size, want in zip(shape, wanted, strict=True))


def _stable_paths(net: keras.Model) -> list[str]:
    """The path of each weight, without the network's own name and with Keras' made-up counters starting anew."""
    made_up = {_snake(type(layer).__name__) for layer in net._flatten_layers()}
    paths = [weight.path.split("/") for weight in net.weights]
    if all(len(path) > 1 and path[0] == net.name for path in paths):
        paths = [path[1:] for path in paths]
    numbers: dict[str, set[int]] = {}
    for part in {part for path in paths for part in path}:
        base, number = _split(part)
        if base in made_up:
            numbers.setdefault(base, set()).add(number)
    ranks = {base: {number: rank for rank, number in enumerate(sorted(found))} for base, found in numbers.items()}

    def rename(part: str) -> str:
        base, number = _split(part)
        if base not in ranks:
            return part
        rank = ranks[base][number]
        return f"{base}_{rank}" if rank else base

    return ["/".join(rename(part) for part in path) for path in paths]


def _split(part: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.+)_(\d+)", part)
    return (found[1], int(found[2])) if found else (part, 0)


def _snake(name: str) -> str:
    """`BatchNormalization` -> `batch_normalization`, as Keras makes up the names of layers."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))).lower()
