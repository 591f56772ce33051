"""Everything that can be wrong with a data set, in words: what it is called, whether it stops a training, and what to do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        severity: An error spoils training or evaluation; a warning is worth a look.
        stops: Whether `on_error: stop` refuses to train because of it.
        fix: What to do.
    """

    severity: Literal["error", "warning"]
    stops: bool
    fix: str


FAULTS: dict[str, FaultKind] = {
    "missing-mask": FaultKind("error", True, "give each image a mask of the same name (or name_mask, name_gt), or set data.on_error: skip"),
    "extra-mask": FaultKind("error", False, "add the image of the same name, or remove the mask"),
    "duplicate-stem": FaultKind("error", True, "rename one of them: images and masks are paired by name without the ending"),
    "zero-byte": FaultKind("error", True, "copy the file again, or remove it"),
    "not-an-image": FaultKind("error", True, "remove it, or replace it by the image it should be"),
    "unreadable": FaultKind("error", True, "mend the file's permissions, or remove it"),
    "truncated": FaultKind("error", True, "copy the file again, or remove it"),
    "corrupt": FaultKind("error", True, "copy the file again, or remove it"),
    "unsupported": FaultKind("error", True, "convert it to PNG"),
    "bomb": FaultKind("error", True, "scale it down, or raise data.max_pixels"),
    "extension": FaultKind("warning", False, "rename it after its content; it is read by its content meanwhile"),
    "size": FaultKind("error", True, "give image and mask the same width and height"),
    "exif-rotation": FaultKind("error", True, "set data.exif: apply, if the masks were drawn on the rotated images"),
    "exif-ignored": FaultKind("warning", False, "set data.exif: apply, if these images should be trained on upright"),
    "mask-format": FaultKind("error", True, "store masks as PNG; JPEG changes the values, so draw or export them anew"),
    "mask-in-colour": FaultKind("error", True, "say which colour is which class under data.colours: {background: [0, 0, 0], ...}"),
    "mask-0-255": FaultKind("error", True, "add one line under data:  mask_values: {0: 0, 255: 1}"),
    "mask-values": FaultKind("error", True, "mend the masks, raise data.classes, or say which value is which class by data.mask_values"),
    "mask-colours": FaultKind("error", True, "mend the masks, or add the colours to data.colours"),
    "interpolated": FaultKind("error", True, "make the masks anew: resize with nearest neighbour and store as PNG"),
    "seam-class": FaultKind("warning", False, "look whether these masks were resized with interpolation; make them anew with nearest neighbour"),
    "empty-class": FaultKind("error", False, "add examples of the class, remove it from data.classes, or mend data.mask_values"),
    "not-validated": FaultKind("warning", False, "move an example of the class to the validation split"),
    "all-background": FaultKind("warning", False, "look whether the masks are finished"),
    "all-ignored": FaultKind("warning", False, "remove them, or mend data.ignore_value"),
    "two-splits": FaultKind("error", False, "keep the picture in one split only, else the validation result is too good"),
    "two-labels": FaultKind("error", False, "look at the picture, and keep it under the right label only"),
    "same-picture": FaultKind("warning", False, "remove the copies"),
    "listed-twice": FaultKind("error", True, "keep one line for each picture; several labels of one stand in one line, with data.separator between"),
    "no-label": FaultKind("error", True, "give it a label, or remove the line"),
    "missing-file": FaultKind("error", True, "copy the file there, or remove it from the list; data.path is the folder that names are relative to"),
    "bad-annotation": FaultKind("error", True, "mend it, or remove it together with its picture"),
    "not-utf8": FaultKind("error", True, "save it as UTF-8, for example by `iconv -f latin1 -t utf-8`"),
    "empty-caption": FaultKind("warning", False, "write it, or remove it; it is left out meanwhile"),
    "no-caption": FaultKind("warning", False, "give it a caption, or remove it; it is left out meanwhile"),
    "extra-caption": FaultKind("warning", False, "add the picture of the same name, or remove the file"),
    "one-reference": FaultKind(
        "warning", False, "training does not mind, but figures such as CIDEr-D need several references; do not hold them against those of other data"
    ),
    "no-word": FaultKind("warning", False, "mend or remove them: the system learns to say nothing from them"),
    "unknown-pieces": FaultKind("warning", False, "lower data.min_count, or set data.pieces to byte_pair or character"),
    "cut-text": FaultKind("warning", False, "raise data.max_length to keep them whole"),
    "no-box": FaultKind("warning", False, "set data.target: classes, if pictures of none of the classes should count; it is left out meanwhile"),
    "no-class": FaultKind("warning", False, "move it into the folder of its class; it is left out meanwhile"),
    "no-suffix": FaultKind("warning", False, "give its name the right ending; it is left out meanwhile"),
    "empty-folder": FaultKind("error", True, "put pictures of the class into it, or remove the folder"),
    "untrained-class": FaultKind("error", True, "put pictures of the class into the training split, or remove it from the others"),
    "no-example": FaultKind("error", False, "add examples of the class, or remove it from data.classes"),
    "not-in-val": FaultKind("warning", False, "add examples of the class, so that the validation split can have one"),
    "skewed": FaultKind("warning", False, "set data.balance: true or weights of the classes, and look at the metrics of each class"),
}
"""Everything that can be wrong with a data set, by name."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one file, or with a few that belong together."""

    kind: str
    files: tuple[str, ...]
    message: str

    @property
    def stops(self) -> bool:
        """Whether `on_error: stop` refuses to train because of it."""
        return FAULTS[self.kind].stops

    def __str__(self) -> str:
        return f"{' and '.join(self.files)}: {self.message}"


def left_out(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """The faults for which files were left out, as data.json keeps them."""
    return [{"kind": fault.kind, "files": list(fault.files), "reason": fault.message} for fault in faults]


def warnings(faults: Iterable[Fault]) -> list[str]:
    """The faults that stop nothing, counted and said, a text for each kind."""
    kinds: defaultdict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        if not fault.stops:
            kinds[fault.kind].append(fault)
    return [f"{each[0]}{_more(each)}; {FAULTS[kind].fix}" for kind, each in kinds.items()]


def _more(found: Sequence[Fault]) -> str:
    return f" (and {len(found) - 1:,} more like it)" if len(found) > 1 else ""


def stopping(faults: Iterable[Fault], on_error: str, place: Path) -> list[Fault]:
    """Those of the faults that make examples useless.

    Args:
        faults: All that were found.
        on_error: `stop` or `skip`, as the recipe says.
        place: The data set's folder, for messages.

    Returns:
        Them, which are to be left out.

    Raises:
        DataError: If `on_error` is `stop` and there is one; names them.
    """
    found = [fault for fault in faults if fault.stops]
    if found and on_error == "stop":
        raise DataError(stop_message(found, place))
    return found


def stop_message(faults: Sequence[Fault], place: Path) -> str:
    """What to tell the user when files stop the training: each kind with its count, its first file and its fix."""
    kinds: defaultdict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        kinds[fault.kind].append(fault)
    lines = []
    for kind, found in kinds.items():
        lines.append(f"  {found[0]}{_more(found)}; {FAULTS[kind].fix}")
    head = f"{place}: {len(faults)} {'fault stops' if len(faults) == 1 else 'faults stop'} the training:"
    return "\n".join([head, *lines, "Set data.on_error: skip to leave such files out and count them; `kvision data check` lists all of them."])
