"""What is wrong with a data set: every file is decoded by the decoders that training uses, and what only shows across files is looked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kvision.core.labels import IGNORE_LABEL
from kvision.data import check_captions, check_labels, examined, files, folder
from kvision.data.captioned_source import CaptionedSource
from kvision.data.faults import FAULTS, Fault
from kvision.data.labelled_source import LabelledSource
from kvision.data.masks import OUTSIDE
from kvision.data.source import PICTURE
from kvision.data.sources.image_masks import ImageMasks
from kvision.data.text.summary import summary

if TYPE_CHECKING:
    from kvision.data.examined import Examined
    from kvision.data.source import DataInfo, Source, Split, SplitName

Told = Callable[[int, int], None]
"""Is told how many examples are done, and of how many."""
_SPLITS: tuple[SplitName, ...] = ("train", "val")


@dataclass(frozen=True)
class Finding:
    """One kind of fault in a data set.

    Attributes:
        kind: Its name, a key of `faults.FAULTS`.
        severity: An error spoils training or evaluation; a warning is worth a look.
        files: The files concerned, each once, in order.
        count: How often the fault was found.
        message: What was found first, and what to do.
    """

    kind: str
    severity: Literal["error", "warning"]
    files: tuple[str, ...]
    count: int
    message: str


def check(source: Source, *, told: Told | None = None) -> list[Finding]:
    """Looks at every example of a data set.

    Args:
        source: The data set.
        told: Is called with the number of examples done and their total.

    Returns:
        What was found, errors first; an empty list for a clean data set.

    Raises:
        DataError: If there is nothing to look at: a missing or empty folder, a wrong list of names.
    """
    told = told or (lambda done, total: None)
    if isinstance(source, LabelledSource):
        return findings(check_labels.check(source, told))
    if isinstance(source, CaptionedSource):
        return findings(check_captions.check(source, told))
    if PICTURE not in source.info.fields:
        texts, examples = source.info.texts, {name: source.split(name) for name in _SPLITS}
        return findings([] if texts is None else summary(texts, examples).faults())
    faults: list[Fault] = []
    splits: dict[SplitName, list[Examined]] = {name: [] for name in _SPLITS}
    if isinstance(source, ImageMasks):
        faults += source.inventory.faults
    for split, one in _examined(source, told):
        splits[split].append(one)
        faults += one.faults
    everything = [one for name in _SPLITS for one in splits[name]]
    if isinstance(source, ImageMasks):
        faults += folder.systematic(source, everything)
    if "mask" in source.info.fields and not any(fault.kind.startswith("mask-") for fault in faults):  # what wrong masks lack says nothing
        faults += _mask_faults(everything) + _empty_classes(source.info, splits)
    faults += examined.same_pictures(splits)
    return findings(faults)


def findings(faults: Sequence[Fault]) -> list[Finding]:
    """Faults gathered by kind, errors first, in the order of `faults.FAULTS`."""
    kinds: defaultdict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        kinds[fault.kind].append(fault)
    found = []
    for kind, facts in FAULTS.items():
        if kind in kinds:
            names = tuple(dict.fromkeys(name for fault in kinds[kind] for name in fault.files))
            found.append(Finding(kind, facts.severity, names, len(kinds[kind]), f"{kinds[kind][0].message}; {facts.fix}"))
    return sorted(found, key=lambda finding: finding.severity == "warning")


def _examined(source: Source, told: Told) -> Iterator[tuple[SplitName, Examined]]:
    """Every example of every split, looked at closely."""
    if isinstance(source, ImageMasks):
        entries = {name: source.inventory.splits[name] for name in _SPLITS}
        return examined.walk(entries, lambda members: folder.examine(source, members, images=True), told)
    fields = frozenset({"image", "mask"}) & source.info.fields

    def look(split: Split) -> Iterable[Examined]:
        return files.in_threads(lambda number: _read(split, number, fields, source.info), range(len(split)))

    return examined.walk({name: source.split(name) for name in _SPLITS}, look, told)


def _read(split: Split, number: int, fields: frozenset[str], info: DataInfo) -> Examined:
    """An example of any source, by way of its split."""
    found, example = examined.read(split, number, fields)
    if "mask" in example:
        found.counts = np.bincount(example["mask"].ravel(), minlength=256)
        wrong = [k for k in np.flatnonzero(found.counts).tolist() if info.num_classes <= k < IGNORE_LABEL]
        if wrong:
            words = f"the mask holds {wrong[:6]}; accepted: 0..{info.num_classes - 1} and {IGNORE_LABEL}"
            found.faults.append(Fault("mask-values", (found.name,), words))
    return found


def _mask_faults(everything: Sequence[Examined]) -> list[Fault]:
    """Masks that hold nothing to learn from."""
    found = []
    for one in everything:
        if one.counts is None or one.faults:
            continue
        if one.counts[IGNORE_LABEL] == one.counts.sum():
            found.append(Fault("all-ignored", (one.mask_name,), "no pixel of the mask counts"))
        elif one.counts[1:IGNORE_LABEL].sum() == 0:
            found.append(Fault("all-background", (one.mask_name,), "the mask holds nothing but background"))
        if one.seams:
            found.append(
                Fault("seam-class", (one.mask_name,), f"class {one.seams[0]} lies only between a lower and a higher one, as if interpolated")
            )
    return found


def _empty_classes(info: DataInfo, splits: dict[SplitName, list[Examined]]) -> list[Fault]:
    """Classes without a pixel in a split; missing from validation alone is a warning."""
    sums = {split: sum((one.counts for one in members if one.counts is not None), np.zeros(256, np.int64)) for split, members in splits.items()}
    found = []
    for k, name in enumerate(info.class_names[:OUTSIDE]):
        if sums["train"][k] == 0:
            where = "any mask" if sums["val"][k] == 0 else "the masks of train"
            found.append(Fault("empty-class", (name,), f"class {k} ({name}) has no pixel in {where}"))
        elif sums["val"][k] == 0:
            found.append(Fault("not-validated", (name,), f"class {k} ({name}) has no pixel in the masks of val, so nothing is known of it"))
    return found
