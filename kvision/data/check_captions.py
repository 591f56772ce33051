"""What is wrong with a data set of pictures with sentences: files, sentences, vocabulary and length, and pictures that occur twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.data import examined
from kvision.data.check_labels import examine

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.captioned_source import CaptionedSource
    from kvision.data.examined import Examined
    from kvision.data.faults import Fault
    from kvision.data.source import SplitName


def check(source: CaptionedSource, told: Callable[[int, int], None]) -> list[Fault]:
    """Looks at every example of every split.

    Args:
        source: The data set.
        told: Is called with the number of examples done and their total.

    Returns:
        The faults.

    Raises:
        DataError: If there is nothing to look at.
    """
    skipping = type(source)(source.options.model_copy(update={"on_error": "skip"}), seed=source.seed, base=source.base)
    splits = skipping.splits
    faults = list(skipping.collected.faults)
    found: dict[SplitName, list[Examined]] = {name: [] for name in splits}
    for name, one in examined.walk(splits, lambda split: examine(split.pictures), told):
        found[name].append(one)
        faults += one.faults
    return faults + skipping.summary.faults() + examined.same_pictures(found)
