"""What is worth knowing of a data set's texts: vocabulary, lengths, and how well it covers each split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvision.core import words
from kvision.data.text import coverage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.data.faults import Fault
    from kvision.data.source import Split, SplitName
    from kvision.data.text.coverage import Coverage
    from kvision.data.text.texts import Texts

_MOST = 12


@dataclass(frozen=True)
class Summary:
    """Facts of texts.

    Attributes:
        texts: Which ones.
        splits: How well the sentences of each split fit.
    """

    texts: Texts
    splits: Mapping[SplitName, Coverage]

    def faults(self) -> list[Fault]:
        """What a person should know, counted; nothing where all is well."""
        return [fault for name, found in self.splits.items() for fault in found.faults(f"texts of {name}")]

    def to_json(self) -> dict[str, Any]:
        """What data.json keeps."""
        vocabulary = self.texts.vocabulary
        splits = {
            name: {**{key: getattr(found, key) for key in ("texts", "pieces", "unknown", "longest", "cut")}, "mean": _mean(found)}
            for name, found in self.splits.items()
        }
        return {**self.texts.to_json(), "kind": vocabulary.kind, "size": vocabulary.size, "splits": splits, "frequent": dict(self._frequent())}

    def lines(self) -> list[str]:
        """The same for a person."""
        vocabulary = self.texts.vocabulary
        told = [f"vocabulary: {words.counted(vocabulary.size, vocabulary.kind.replace('_', ' '))}, four special ones among them"]
        told += [
            f"{name}: {words.counted(found.texts, 'text')} of {_mean(found):.1f} pieces on average, {found.longest} at most, of which "
            f"{found.length} are kept; {words.percent(1 - found.unknown / max(found.pieces, 1))} of the pieces are in the vocabulary"
            for name, found in self.splits.items()
        ]
        return [*told, f"most frequent in train: {', '.join(f'{piece} {count:,}' for piece, count in self._frequent())}"]

    def _frequent(self) -> list[tuple[str, int]]:
        return self.splits["train"].seen.most_common(_MOST) if "train" in self.splits else []


def summary(texts: Texts, splits: Mapping[SplitName, Split]) -> Summary:
    """Looks at all texts of the splits that know theirs by an attribute `captions`.

    Args:
        texts: Vocabulary and length.
        splits: The examples.

    Returns:
        What was found.
    """
    captions: dict[SplitName, Sequence[Sequence[str]]] = {name: split.captions for name, split in splits.items() if hasattr(split, "captions")}
    measured = {name: coverage.measure(texts.vocabulary, [one for each in found for one in each], texts.length) for name, found in captions.items()}
    return Summary(texts, measured)


def _mean(found: Coverage) -> float:
    return round(found.pieces / max(found.texts, 1), 2)
