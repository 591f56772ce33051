"""A folder of images and PNG masks: indexed, grey, or in colours that the recipe names.

Where the files lie: below `path`, `images/` and `masks/` (or what `images` and `masks` say), at any depth, paired by name (`kvision.data.pairs`).
Which split: the sub-folders `train` and `val` (`images/train` or `train/images`) if they exist, else the lists `train_list` and `val_list` if
given, else by ratio: a pair goes to validation when the hash of its name falls below `val_split`, so adding files never moves an old one.
Indices of an indexed PNG are read in the graph: its header is rewritten as that of a grey PNG before decoding (`Header.prefix`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from kvision.core import words
from kvision.core.errors import DataError
from kvision.core.labels import IGNORE_LABEL
from kvision.core.schema import Chosen, DataOptions
from kvision.data import files
from kvision.data.faults import left_out, stop_message
from kvision.data.masks import MAX_CLASSES, Codec
from kvision.data.pairs import Entry, find_pairs, in_val, read_entry
from kvision.data.palette import palette
from kvision.data.source import DataInfo, Source, SplitName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.faults import Fault
    from kvision.data.folder import FolderSplit
    from kvision.data.pairs import Pair

IGNORED = "ignore"
"""The name in `colours` of what is not counted."""
_VAL_FOLDERS = ("val", "valid", "validation")
_SAMPLE = 32


class Options(DataOptions):
    """Where the images and masks lie, what the masks mean, and how they are split."""

    source: Literal["image_masks"] = "image_masks"
    path: str = Field(".", description="Folder of the data set, relative to the recipe's file.")
    images: str = Field("images", description="Folder of the images, relative to `path`.")
    masks: str = Field("masks", description="Folder of the masks, relative to `path`; the same as `images` if the masks' names end in _mask or _gt.")
    colours: dict[str, tuple[int, int, int]] | None = Field(
        None, description="For masks in RGB: class name -> [r, g, b], the background first; a colour named `ignore` is not counted."
    )
    classes: int | tuple[str, ...] | None = Field(
        None, description="Number of classes or their names, the background first; with `colours` the names stand there.", validate_default=True
    )
    mask_values: dict[int, int] | None = Field(
        None, description="Value in the mask -> class, e.g. {0: 0, 255: 1}; 255 as a class: not counted; none: value k is class k."
    )
    ignore_value: int | None = Field(
        255, ge=0, le=65535, description="Value in the mask that is not counted, unless `mask_values` names it; none: no value."
    )
    split: Literal["auto", "folder", "list", "ratio"] = Field(
        "auto", description="How the splits are made; `auto`: the first of folder, list, ratio that fits."
    )
    val_split: float = Field(0.2, gt=0.0, lt=1.0, description="Share of the pairs that is for validation, when split by ratio.")
    train_list: str | None = Field(
        None, description="File with the training images' names, one a line, relative to `path`; none: all that val_list leaves."
    )
    val_list: str | None = Field(
        None, description="File with the validation images' names, one a line, relative to `path`; none: all that train_list leaves."
    )
    max_pixels: int = Field(
        100_000_000, ge=64, le=10**10, description="Largest number of pixels of one image; more is taken for a decompression bomb."
    )
    exif: Literal["ignore", "apply"] = Field("ignore", description="Whether images are turned as their EXIF orientation says; masks never are.")

    @field_validator("colours")
    @classmethod
    def _colours_are_distinct(cls, value: dict[str, tuple[int, int, int]] | None) -> dict[str, tuple[int, int, int]] | None:
        if value is None:
            return None
        for name, colour in value.items():
            if not all(0 <= channel <= 255 for channel in colour):
                raise ValueError(f"{name}: {list(colour)} is not a colour; use [r, g, b] with values of 0..255")
        if len(set(value.values())) < len(value):
            raise ValueError(f"two of the {len(value)} colours are the same; give each class its own")
        if not 2 <= len(value.keys() - {IGNORED}) <= MAX_CLASSES:
            raise ValueError(f"{len(value)} colours came; use 2..{MAX_CLASSES}, the background first")
        return value

    @field_validator("classes")
    @classmethod
    def _classes_are_said_once(cls, value: int | tuple[str, ...] | None, info: ValidationInfo) -> int | tuple[str, ...] | None:
        colours = info.data.get("colours")
        if value is None:
            if colours is None and "colours" in info.data:
                raise ValueError("not given; say how many classes there are, or their names with the background first: [background, road]")
            return None
        if colours is not None and value not in {len(colours.keys() - {IGNORED}), tuple(name for name in colours if name != IGNORED)}:
            raise ValueError(f"{value!r} contradicts data.colours, which names {list(colours)}; leave data.classes out")
        count = value if isinstance(value, int) else len(value)
        if not 2 <= count <= MAX_CLASSES:
            raise ValueError(f"{count} classes came; use 2..{MAX_CLASSES}, the background included")
        if not isinstance(value, int) and len(set(value)) < count:
            raise ValueError("two classes have the same name; give each its own")
        return value

    @field_validator("mask_values")
    @classmethod
    def _values_are_classes(cls, value: dict[int, int] | None, info: ValidationInfo) -> dict[int, int] | None:
        if value is None:
            return None
        if info.data.get("colours"):
            raise ValueError("does not go with data.colours; leave one of them out")
        classes = info.data.get("classes")
        count = classes if isinstance(classes, int) else len(classes or ())
        for raw, label in value.items():
            if not 0 <= raw <= 65535:
                raise ValueError(f"{raw} is not a value of a mask; use 0..65535")
            if count and label != IGNORE_LABEL and not 0 <= label < count:
                raise ValueError(f"{raw}: {label} is not a class; use 0..{count - 1}, or {IGNORE_LABEL} for not counted")
        return value

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the K classes."""
        if self.colours is not None:
            return tuple(name for name in self.colours if name != IGNORED)
        if isinstance(self.classes, tuple):
            return self.classes
        return ("background", *(f"class {k}" for k in range(1, self.classes or 2)))

    def chosen(self) -> dict[str, Chosen]:
        """`classes`: from the colours; `split`: by the lists that are given, else by what the folder holds."""
        found = super().chosen() | ({"classes": Chosen("the names in colours", list(self.class_names))} if self.classes is None else {})
        if self.split == "auto":
            by_folder = Chosen("chosen when training starts; folder if there are sub-folders train and val, else ratio")
            found["split"] = Chosen("train_list or val_list is given", "list") if self.train_list or self.val_list else by_folder
        return found


_Options = Options  # inside the source, `Options` is its attribute


@dataclass(frozen=True)
class Inventory:
    """What the folder holds: the entries of each split, the faults found so far, and by which rule it was split."""

    splits: dict[SplitName, list[Entry]]
    faults: list[Fault]
    rule: str


class ImageMasks(Source):
    """The user's own images with a class for each pixel."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options
    whole: ClassVar[SplitName | None] = None
    """A split that holds all files of a folder without sub-folders for splits, whatever the options say; `kvision eval --data` sets it."""

    @functools.cached_property
    def root(self) -> Path:
        """The data set's folder; raises `DataError` when there is none."""
        return files.folder(self.located(self.options.path).resolve(), "data.path")

    @functools.cached_property
    def info(self) -> DataInfo:
        """Class names, their colours and the fields `image` and `mask`; from the options alone."""
        names, colours = self.options.class_names, self.options.colours
        return DataInfo(names, tuple(colours[name] for name in names) if colours else palette(len(names)), frozenset({"image", "mask"}))

    @functools.cached_property
    def inventory(self) -> Inventory:
        """Pairs, headers and splits; reads the beginning of every file once. Raises `DataError` for missing folders and wrong lists."""
        splits: dict[SplitName, list[Entry]] = {"train": [], "val": []}
        faults: list[Fault] = []
        folders = self._folders()
        for name, images, masks in folders:
            pairs, found = find_pairs(self.root, images, masks)
            faults += found
            chosen = {name: pairs} if name else self._assign(pairs)
            for split, members in chosen.items():
                for entry, found in files.in_threads(self._read_entry, members):
                    faults += found
                    if entry is not None:
                        splits[split].append(entry)
        return Inventory(splits, faults, "folder" if folders[0][0] else "list" if self._by_list else "ratio")

    @functools.cached_property
    def codec(self) -> Codec:
        """How the masks are decoded."""
        options = self.options
        labels = {name: k for k, name in enumerate(options.class_names)} | {IGNORED: IGNORE_LABEL}
        colours = {colour: labels[name] for name, colour in options.colours.items()} if options.colours else None
        deep = any(entry.mask.depth > 8 for entries in self.inventory.splits.values() for entry in entries)
        return Codec(len(options.class_names), options.mask_values, options.ignore_value, colours, deep=deep)

    def accepted(self) -> str:
        """The values that a mask may hold, in words."""
        options, count = self.options, len(self.options.class_names)
        if options.colours:
            return ", ".join(f"{name} {list(colour)}" for name, colour in options.colours.items())
        values = ", ".join(str(raw) for raw in options.mask_values) if options.mask_values else f"0..{count - 1}"
        ignored = options.ignore_value is not None and options.ignore_value not in (options.mask_values or range(count))
        return f"{values}{f', and {options.ignore_value} (not counted)' if ignored else ''}"

    @functools.cached_property
    def _splits(self) -> dict[SplitName, FolderSplit]:
        from kvision.data import folder

        inventory = self.inventory
        entries = [entry for split in inventory.splits.values() for entry in split]
        stride = max(1, len(entries) // _SAMPLE)
        found = list(folder.examine(self, entries[::stride]))
        faults = [*inventory.faults, *(fault for examined in found for fault in examined.faults), *folder.systematic(self, found)]
        stopping = [fault for fault in faults if fault.stops]
        systematic = [fault for fault in stopping if fault.kind in {"mask-0-255", "mask-in-colour"}]
        if systematic or (stopping and self.options.on_error == "stop"):
            raise DataError(stop_message(systematic or stopping, self.root))
        self._left_out = stopping
        bad = {name for fault in stopping for name in fault.files}
        good = {name: [entry for entry in split if not bad & {entry.pair.name, entry.pair.mask_name}] for name, split in inventory.splits.items()}
        for name, split in good.items():
            if not split:
                raise DataError(self._nothing(name, len(entries), stopping))
        return {name: folder.FolderSplit(self, split) for name, split in good.items()}

    def split(self, name: SplitName) -> FolderSplit:
        """The pairs of a split; raises `DataError` that names faulty files when `on_error` is `stop`, or when nothing is left."""
        if name == "test":
            raise self.no_test_split()
        return self._splits[name]

    def chosen(self) -> dict[str, Chosen]:
        """`split`: as the folder has it."""
        rule = self.inventory.rule
        return {"split": Chosen(f"{self.root} has {'' if rule == 'folder' else 'no '}sub-folders train and val", rule)}

    def report(self) -> dict[str, Any]:
        """The folder, the rule of the split, the files of each split, and the files left out with the reason."""
        return {
            "folder": str(self.root),
            "split": self.inventory.rule,
            "files": {name: list(split.names) for name, split in self._splits.items()},
            "left_out": left_out(self._left_out),
        }

    @property
    def _by_list(self) -> bool:
        return self.options.split in {"auto", "list"} and bool(self.options.train_list or self.options.val_list)

    def _folders(self) -> list[tuple[SplitName | None, Path, Path]]:
        """The folders of images and masks, one pair a split, or one pair for both."""
        options, root = self.options, self.root
        images, masks = root / options.images, root / options.masks
        if options.split in {"auto", "folder"} and not (options.split == "auto" and self._by_list):
            for val in _VAL_FOLDERS:
                for train_dirs, val_dirs in (
                    ((images / "train", masks / "train"), (images / val, masks / val)),
                    ((root / "train" / options.images, root / "train" / options.masks), (root / val / options.images, root / val / options.masks)),
                ):
                    if train_dirs[0].is_dir() and val_dirs[0].is_dir():
                        return [
                            ("train", train_dirs[0], files.folder(train_dirs[1], "data.masks")),
                            ("val", val_dirs[0], files.folder(val_dirs[1], "data.masks")),
                        ]
        if options.split == "folder":
            raise DataError(
                f"data.split: folder: neither {images}/train and {images}/val nor {root}/train/{options.images} and {root}/val/{options.images} exist"
            )
        if options.split == "list" and not self._by_list:
            raise DataError("data.split: list: neither data.train_list nor data.val_list is given; give at least one of them")
        return [(None, files.folder(images, "data.images"), files.folder(masks, "data.masks"))]

    def _assign(self, pairs: Sequence[Pair]) -> dict[SplitName, list[Pair]]:
        """Splits pairs by list or by ratio, if there is a choice."""
        options = self.options
        if self.whole is not None:
            return {"train": list(pairs[:1]), "val": list(pairs[:1]), self.whole: list(pairs)}  # the other split may not be empty
        if not self._by_list:
            val = {pair.key for pair in pairs if in_val(pair.key, options.val_split)}
            train = {pair.key for pair in pairs} - val
        else:
            known = {name: pair.key for pair in pairs for name in (pair.name, pair.key, Path(pair.name).name, Path(pair.key).name)}
            everything = {pair.key for pair in pairs}
            train_list = files.read_list(self.root / options.train_list, "data.train_list", known) if options.train_list else None
            val_list = files.read_list(self.root / options.val_list, "data.val_list", known) if options.val_list else None
            train = everything - (val_list or set()) if train_list is None else train_list
            val = everything - (train_list or set()) if val_list is None else val_list
            if both := sorted(train & val):
                raise DataError(f"data.val_list: {len(both)} images are in data.train_list as well, such as {both[0]}; keep each in one of them")
        return {"train": [pair for pair in pairs if pair.key in train], "val": [pair for pair in pairs if pair.key in val]}

    def _read_entry(self, pair: Pair) -> tuple[Entry | None, list[Fault]]:
        return read_entry(pair, max_pixels=self.options.max_pixels, exif=self.options.exif)

    def _nothing(self, name: SplitName, count: int, left_out: Sequence[Fault]) -> str:
        """Why a split is empty, and what to do."""
        if left_out and len(left_out) >= count:
            return f"{self.root}: nothing is left for {name}: {stop_message(left_out, self.root)}"
        option = {"folder": f"put images into its {name} folder", "list": "name more images in data.train_list and data.val_list"}
        ratio = f"data.val_split={self.options.val_split} of so few gave none; change it, or name the images in data.val_list"
        if count < 2:
            ratio = "training and validation need one each; add images"
        return f"{self.root}: of {words.counted(count, 'pair')} none is left for {name}; {option.get(self.inventory.rule, ratio)}"
