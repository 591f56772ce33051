"""Splits of examples: the data's own where it has them, else drawn by the hash of the examples' names, evenly from each class where there are any.

The order within a class is that of a hash of (`split_seed`, name), so it depends on neither the machine nor the order of the files, and a new
example moves at most one old one of its class from one split to another.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.schema import DataOptions
from kvision.data.source import Split, SplitName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
Size = int | None
Taken = TypeVar("Taken", bound="Divisible")


class ShareOptions(DataOptions):
    """How many examples each split holds, and how they are drawn where the data does not say."""

    val_split: float = Field(0.2, gt=0.0, lt=1.0, description="Share of the examples that is for validation, where the data has no split for it.")
    test_split: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the examples that is for the test, where the data has no split for it.")
    train_size: Size = Field(None, ge=1, le=10**9, description="Training examples, as many of each class as its share; none: all that are left.")
    val_size: Size = Field(None, ge=1, le=10**9, description="Validation examples; none: by `val_split`, or all of the data's own.")
    test_size: Size = Field(None, ge=1, le=10**9, description="Test examples; none: by `test_split`, or all of the data's own.")
    split_seed: int = Field(
        0, ge=0, lt=2**31, description="Seed of the split; apart from `train.seed`, so that every run is validated on the same examples."
    )


class SplitOptions(ShareOptions):
    """The same of examples that have classes."""

    per_class: Size = Field(
        None, ge=1, le=10**9, description="Training examples of each class, or all that it has if they are fewer, drawn by `train.seed`; none: all."
    )


class Divisible(Split, Protocol):
    """A split that parts can be taken of."""

    def take(self: Taken, chosen: np.ndarray) -> Taken:
        """The examples of these numbers, in their order."""
        ...

    def listing(self) -> object:
        """Which examples these are, as data.json keeps it."""
        ...


class Labelled(Divisible, Protocol):
    """A split of a classification source: its labels are known without decoding pictures."""

    labels: np.ndarray
    """int32 `[N]`, the class of each example; or uint8 `[N, K]`, 0 or 1, where an example can be of several."""


def divide(pools: Mapping[SplitName, Taken], options: ShareOptions, seed: int = 0) -> dict[SplitName, Taken]:
    """Makes the splits.

    Args:
        pools: What the data itself calls train, and perhaps val and test.
        options: Shares, sizes and seed.
        seed: Of the examples that `per_class` leaves; those of 5 are among those of 10.

    Returns:
        `train`, `val`, and `test` if the data has one or `test_split` or `test_size` asks for it.

    Raises:
        DataError: If a split would be empty, or there are fewer examples than a size asks for.
    """
    made = dict(pools)
    wanted: tuple[tuple[SplitName, Size, float], ...] = (
        ("test", options.test_size, options.test_split),
        ("val", options.val_size, options.val_split),
    )
    for name, size, share in wanted:  # the test first: what is asked for val must not change it
        if name in pools:
            if size is not None:
                made[name] = _narrowed(made[name], name, size, options.split_seed)
        elif size is not None or share > 0:
            count = size if size is not None else max(1, round(share * len(pools["train"])))
            asked = f"{name}_split: {share}" if size is None else f"{name}_size: {size}"
            made[name], made["train"] = _carved(made["train"], count, asked, options.split_seed)
    if options.train_size is not None:
        made["train"] = _narrowed(made["train"], "train", options.train_size, options.split_seed)
    if isinstance(options, SplitOptions) and options.per_class is not None:
        train, strata = made["train"], _strata(made["train"])
        made["train"] = train.take(np.flatnonzero(_first(order(train.names, seed), strata, np.full(strata.max() + 1, options.per_class))))
    return {name: made[name] for name in SPLITS if name in made}


def _carved(pool: Taken, count: int, asked: str, seed: int) -> tuple[Taken, Taken]:
    """`(part, rest)`: `count` examples, and the others, among which each class keeps one at least."""
    strata = _strata(pool)
    num_classes = len(np.unique(strata))
    most = len(pool) - num_classes
    if count > most:
        fix = f"use at most {most}" if most > 0 else "add examples"
        left = f"one of each of the {num_classes} classes" if hasattr(pool, "labels") else "one"
        raise DataError(f"data.{asked} asks for {count} of {len(pool)} examples; {left} must be left to train on; {fix}")
    within = pick(order(pool.names, seed), strata, count, keep=1)
    return pool.take(np.flatnonzero(within)), pool.take(np.flatnonzero(~within))


def _narrowed(pool: Taken, name: str, size: int, seed: int) -> Taken:
    """`size` examples of a split."""
    if size > len(pool):
        raise DataError(f"data.{name}_size: {size} is more than the {len(pool)} examples that there are for {name}; use at most {len(pool)}")
    return pool.take(np.flatnonzero(pick(order(pool.names, seed), _strata(pool), size)))


def order(names: Sequence[str], seed: int) -> np.ndarray:
    """The examples' numbers in the order of the hash of (seed, name), int64 `[N]`."""
    hashes = b"".join(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest() for name in names)
    return np.argsort(np.frombuffer(hashes, ">u8"), kind="stable")


def _strata(pool: Divisible) -> np.ndarray:
    """The group that each example is drawn within, int64 `[N]`: by its class, or all in one where there are none."""
    labels = getattr(pool, "labels", None)
    return np.zeros(len(pool), np.int64) if labels is None else stratum(labels)


def stratum(labels: np.ndarray) -> np.ndarray:
    """The group that each example is drawn within, int64 `[N]`.

    Args:
        labels: int `[N]`, or 0 and 1 `[N, K]`.

    Returns:
        The class; of several classes the rarest in the data, so that rare classes are the ones that are split evenly; K for none.
    """
    if labels.ndim == 1:
        return labels.astype(np.int64)
    counts = labels.sum(0)
    rarity = np.where(labels > 0, counts, len(labels) + 1)
    return np.where(labels.any(1), rarity.argmin(1), labels.shape[1])


def pick(ordered: np.ndarray, strata: np.ndarray, count: int, *, keep: int = 0) -> np.ndarray:
    """Draws examples from each group by its share of the whole (largest remainders), the first ones in the given order.

    Args:
        ordered: The examples' numbers in the order that they are drawn in, int64 `[N]`.
        strata: The group of each example, `[N]`.
        count: How many to draw.
        keep: How many examples each group keeps at least.

    Returns:
        Whether each example was drawn, bool `[N]`; `count` are. A group gives at least one if it can and `count` allows.
    """
    groups, group = np.unique(strata, return_inverse=True)
    sizes = np.bincount(group)
    ideal = count * sizes / len(strata)
    most = np.maximum(sizes - keep, 0)
    least = np.minimum(1, most) if count >= len(groups) else np.zeros_like(most)
    quotas = np.clip(np.floor(ideal).astype(np.int64), least, most)
    while (missing := count - quotas.sum()) != 0:
        change = np.sign(missing)
        gain = np.where((quotas < most) if change > 0 else (quotas > least), change * (ideal - quotas), -np.inf)
        quotas[gain.argmax()] += change
    return _first(ordered, group, quotas)


def _first(ordered: np.ndarray, group: np.ndarray, quotas: np.ndarray) -> np.ndarray:
    """Whether each example is one of the first of its group in the given order, bool `[N]`; `quotas` `[G]` says of how many."""
    picked = np.zeros(len(group), bool)
    sizes = np.bincount(group, minlength=len(quotas))
    by_group = ordered[np.argsort(group[ordered], kind="stable")]
    rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    picked[by_group] = rank < np.repeat(quotas, sizes)
    return picked


def folds(labels: np.ndarray, count: int) -> np.ndarray:
    """Divides examples into folds that hold equally many of each class, but for one.

    Args:
        labels: As for `stratum`; their order decides which example is in which fold.
        count: How many folds.

    Returns:
        The fold of each example, 0 to `count` - 1, int64 `[N]`.
    """
    found = np.empty(len(labels), np.int64)
    found[np.argsort(stratum(labels), kind="stable")] = np.arange(len(labels)) % count
    return found


def ranges(numbers: np.ndarray) -> str:
    """Rising whole numbers as text, `0-4, 7, 9-11`."""
    if not len(numbers):
        return ""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
