"""What all sources have in common that find pools of examples: the splits that are made of these."""

from __future__ import annotations

import abc
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from kvision.core.errors import DataError
from kvision.data import splits
from kvision.data.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.source import SplitName
    from kvision.data.splits import ShareOptions

Part = TypeVar("Part", bound=splits.Divisible)


class DividedSource(Source, Generic[Part]):
    """A data set whose examples are all known before one is read."""

    options: ShareOptions
    whole: ClassVar[SplitName | None] = None
    """A split that holds all examples of data without splits of its own, whatever the options say; `kvision eval --data` sets it."""

    @property
    @abc.abstractmethod
    def pools(self) -> Mapping[SplitName, Part]:
        """What the data itself calls `train`, and `val` and `test` where it does; raises `DataError` that names the file and the fix."""

    def split(self, name: SplitName) -> Part:
        """The examples of a split; raises `DataError` that says what to do where there is none."""
        if name not in self.splits:
            raise DataError(
                f"data.source: {self.options.source} has no {name} split; "
                f"set data.{name}_split, such as 0.2, to put a share of the examples aside for it"
            )
        return self.splits[name]

    @cached_property
    def splits(self) -> dict[SplitName, Part]:
        """All splits that there are; raises `DataError` where `pools` does, or when one would be empty."""
        if self.whole is not None:
            return {self.whole: self.pools["train"], **self.pools}
        return splits.divide(self.pools, self.options, self.seed)

    def rule(self, within: str = "") -> str:
        """How the splits were made, in words; `within` says what each was drawn evenly from."""
        drawn = sorted(self.splits.keys() - self.pools.keys())
        return f"{' and '.join(drawn)} drawn by the hash of each name{within}, seed {self.options.split_seed}" if drawn else "the data's own"
