"""Stronger regularisation must raise the loss that the network comes to: if it does not, it does not reach the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.core.schema import Section
from kvision.engine.sanity.plain import PENALTIES, switched
from kvision.engine.sanity.verdict import Verdict, judge
from kvision.ops import schedules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision.core.schema import Recipe

RISE = 1.1
"""Smallest accepted ratio of the losses."""
PER_STEP = 0.5
"""Share of a weight that strong decay takes away in a step."""
WINDOW = 10


def used(recipe: Recipe) -> dict[str, float]:
    """The recipe's penalties that are not 0, by dotted path."""
    own = {f"optim.groups[{number}].weight_decay": group.weight_decay or 0.0 for number, group in enumerate(recipe.optim.groups)}
    return {path: value for path, value in (dict(_penalties(recipe, "")) | own).items() if value}


def stronger(plain: Recipe, given: Recipe) -> Recipe:
    """The plain recipe with the penalties that the given one has, but strong enough to keep a network from learning anything.

    Args:
        plain: Of `plain.plain`.
        given: The recipe as it was written.

    Returns:
        The plain recipe in which weight decay, where the recipe has it, halves the weights at each step, and any other penalty that the recipe has
        is 1. A group that is to have no decay has none.
    """
    others = {path.rpartition(".")[2] for path in used(given)} - {"weight_decay"}
    recipe: Recipe = switched(plain, dict.fromkeys(others, 1.0))
    decay = PER_STEP / schedules.scaled_peak(plain.optim, plain.data.batch)
    groups = tuple(group.model_copy(update={"weight_decay": group.weight_decay and decay}) for group in given.optim.groups)
    strong = {"weight_decay": decay if given.optim.used("weight_decay") else 0.0, "groups": groups}
    return recipe.model_copy(update={"optim": recipe.optim.model_copy(update=strong)})


def verdict(plain: np.ndarray, strong: np.ndarray, names: dict[str, float]) -> Verdict:
    """Judges the losses of the same steps `[N]` without any and with strong regularisation."""
    without, with_it = float(np.mean(plain[-WINDOW:])), float(np.mean(strong[-WINDOW:]))
    listed = ", ".join(f"{path}={value:g}" for path, value in names.items())
    return judge(
        "regularisation",
        with_it / without if without else float("inf"),
        low=RISE,
        good=f"loss with strong over loss without {listed}, after {len(plain)} steps on the same examples",
        bad=f"made strong enough to stop all learning, {listed} does not raise the loss ({without:.4g} without, {with_it:.4g} with): it does not "
        "reach the kernels; look at optim.groups, and at whether the loss adds its penalty",
        details={"without": plain.tolist(), "strong": strong.tolist()},
    )


def _penalties(section: Section, prefix: str) -> Iterator[tuple[str, float]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _penalties(value, f"{prefix}{name}.")
        elif name in PENALTIES:
            yield f"{prefix}{name}", float(section.used(name) or 0.0)
