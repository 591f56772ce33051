"""Parameter groups: which variables share a learning-rate factor and a weight decay."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rapidfuzz import fuzz, process

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras

    from kvision.core.schema import GroupOptions, OptimOptions


@dataclass
class Group:
    """Variables with one factor on the learning rate, 0 for a first part of the run; `decay[i]` is the weight decay of `variables[i]`."""

    lr_scale: float
    frozen_until: float = 0.0
    variables: list[keras.Variable] = field(default_factory=list)
    decay: list[float] = field(default_factory=list)


def split(options: OptimOptions, trainables: Mapping[str, Sequence[keras.Variable]]) -> dict[str, list[Group]]:
    """Sorts every variable into its group.

    The first group that matches a variable's path takes it; the rest form a group with factor 1. Weight decay without a group that states it
    is for kernels alone: variables of rank 0 or 1, that is biases and the scales and shifts of normalisation, do not decay.

    Args:
        options: The recipe's `optim` section.
        trainables: Variables by optimizer.

    Returns:
        By optimizer, the groups that have variables; those with factor 0 are left out (frozen).

    Raises:
        UsageError: No variable is left for a group.
    """
    patterns = [re.compile(group.match) for group in options.groups]
    decay = options.used("weight_decay")
    taken = [0] * len(patterns)
    result: dict[str, list[Group]] = {}
    for role, variables in trainables.items():
        groups = [Group(group.lr_scale, group.frozen_until) for group in options.groups] + [Group(1.0)]
        for variable in variables:
            number = next((n for n, pattern in enumerate(patterns) if pattern.search(variable.path)), len(patterns))
            own = options.groups[number].weight_decay if number < len(patterns) else None
            if number < len(patterns):
                taken[number] += 1
            groups[number].variables.append(variable)
            groups[number].decay.append(own if own is not None else decay if len(variable.shape) >= 2 else 0.0)
        result[role] = [group for group in groups if group.variables and group.lr_scale > 0.0]
    _all_used(options.groups, patterns, taken, [variable.path for variables in trainables.values() for variable in variables])
    return result


def _all_used(groups: Sequence[GroupOptions], patterns: Sequence[re.Pattern[str]], taken: Sequence[int], paths: Sequence[str]) -> None:
    """Complains of a group without variables."""
    for number, group in enumerate(groups):
        if taken[number]:
            continue
        if any(patterns[number].search(path) for path in paths):
            raise UsageError(f"optim.groups[{number}].match: all variables that {group.match!r} matches belong to earlier groups; put it before them")
        close = [path for path, _, _ in process.extract(group.match, paths, scorer=fuzz.partial_ratio, limit=3)]
        raise UsageError(f"optim.groups[{number}].match: {group.match!r} matches no trainable variable; close ones are {', '.join(close)}")
