"""Checks of options that several systems make, so that all say it in the same words. No TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.core.schema import Section


def without_effect(path: str, options: Section, by: str, users: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Options that are set, though the value of another one has no use for them, as `System.check` tells them.

    Args:
        path: Of the section in the recipe, `loss`.
        options: The section.
        by: The option that decides, as messages call it: `pooling`, or `loss.name`.
        users: The values of `by` that look at an option, by that option.

    Returns:
        `(dotted path, what is wrong and what to do)` of each.
    """
    value_of_by = getattr(options, by.rpartition(".")[2])
    return [
        (f"{path}.{key}", f"{value} has no effect on {by}={value_of_by}; take it out, or use {by}={' or '.join(names)}")
        for key, names in users.items()
        if value_of_by not in names and (value := getattr(options, key)) != type(options).model_fields[key].default
    ]


def one_for_each_class(path: str, values: Sequence[float] | None, class_names: Sequence[str]) -> None:
    """Raises `UsageError` unless there are as many values as classes, or none are given."""
    if values is not None and len(values) != len(class_names):
        raise UsageError(f"{path}: {len(values)} values for the {len(class_names)} classes {', '.join(class_names)}; give one for each")
