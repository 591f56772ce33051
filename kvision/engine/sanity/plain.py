"""The same recipe with nothing that keeps a network from fitting what it is shown: no augmentation, no penalties, no random layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kvision.core.schema import AugmentOptions, Section
from kvision.engine import randomness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import keras

    from kvision.core.resolved import Resolved
    from kvision.core.schema import OptimOptions

PENALTIES = ("weight_decay", "l1", "l2")
"""Options, of whatever section, that pull weights towards 0."""
SOFTENED = ("label_smoothing",)
"""Options, of whatever section, that make the targets less certain."""
OFF = {"rate": 0.0, "survival": 1.0, "stddev": 0.0}
"""Attributes of random layers that say how much they do, and the value at which they do nothing."""
WARMUP_STEPS = 10


def plain(resolved: Resolved, batch: int) -> Resolved:
    """A recipe without augmentation, penalties and softened targets, at a constant rate after a short warm-up.

    Args:
        resolved: The recipe.
        batch: Global batch size to use instead of its own.

    Returns:
        The recipe with optimizer, rate, clipping and groups as they are.
    """
    recipe = switched(resolved.recipe, dict.fromkeys((*PENALTIES, *SOFTENED), 0.0))
    data = recipe.data.model_copy(update={"augment": AugmentOptions(), "batch": batch})
    groups = tuple(group.model_copy(update={"weight_decay": None}) for group in recipe.optim.groups)
    return replace(resolved, recipe=recipe.model_copy(update={"data": data, "optim": steady(recipe.optim).model_copy(update={"groups": groups})}))


def steady(options: OptimOptions) -> OptimOptions:
    """The optimizer at its peak rate after `WARMUP_STEPS` steps, without accumulation and average."""
    return options.model_copy(update={"schedule": "constant", "warmup_steps": WARMUP_STEPS, "accumulate": 1, "ema": None, "swa_from": None})


def switched(section: Any, values: Mapping[str, Any]) -> Any:
    """A section in which every option of these names, also in sections within it, has the value given for it."""
    changed: dict[str, Any] = {name: values[name] for name in type(section).model_fields if name in values}
    for name in type(section).model_fields:
        inner = getattr(section, name)
        if isinstance(inner, Section):
            changed[name] = switched(inner, values)
    return section.model_copy(update=changed)


def quiet(networks: Iterable[keras.Model]) -> None:
    """Makes the random layers of networks do nothing, such as dropout and stochastic depth; call it before anything is traced."""
    for network in networks:
        for layer in network._flatten_layers():
            if randomness.seed_generators([layer]):
                for name, value in OFF.items():
                    if hasattr(layer, name):
                        setattr(layer, name, value)
