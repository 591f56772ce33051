"""A folder of pictures with a sub-folder for each class, whose name is the class's.

A picture belongs to the class of the first folder below the data set's, however deep it lies. Hidden files and folders don't count.
Which split: the sub-folders `train` and `val`, `test` or both, each with the classes below it, if they are there; else the lists `train_list`,
`val_list` and `test_list` if given; else by ratio within each class (`kvision.data.splits`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.core.schema import Chosen
from kvision.data import classes, files
from kvision.data.faults import Fault
from kvision.data.file_source import Collected, FileOptions, FileSource, Picture
from kvision.data.headers import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_LISTS = (".csv", ".tsv", ".jsonl", ".parquet")


class Options(FileOptions):
    """Where the folders lie, and how the pictures are split."""

    source: Literal["image_folder"] = "image_folder"
    split: Literal["auto", "folder", "list", "ratio"] = Field(
        "auto", description="How the splits are made; `auto`: the first of list, folder, ratio that fits."
    )
    train_list: str | None = Field(None, description="File with the training pictures' names, one a line, relative to `path`; none: all the others.")
    val_list: str | None = Field(None, description="File with the validation pictures' names, likewise; none: by `val_split` of the training ones.")
    test_list: str | None = Field(None, description="File with the test pictures' names, likewise; none: by `test_split` of the training ones.")

    def chosen(self) -> dict[str, Chosen]:
        """`split`: by the lists that are given, else by what the folder holds."""
        if self.split != "auto":
            return super().chosen()
        by_folder = Chosen("chosen when training starts; folder if there are sub-folders train and val or test, else ratio")
        lists = any((self.train_list, self.val_list, self.test_list))
        return super().chosen() | {"split": Chosen("train_list, val_list or test_list is given", "list") if lists else by_folder}


_Options = Options  # inside the source, `Options` is its attribute


class ImageFolder(FileSource):
    """Pictures of one class each, sorted into folders."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def collect(self) -> Collected:
        """Walks through the folders."""
        tops, rule = self._tops()
        faults: list[Fault] = []
        members = {split: self._classes(top, faults) for split, top in tops.items()}
        names = self.options.classes or classes.of_words(name for found in members.values() for name in found)
        if self.whole is None:  # else the classes are those of a run, and the folder need not show all of them
            self._check_classes(names, members)
            faults += _unusable(names, members)
        pools = {split: [one for name in names for one in found.get(name, ())] for split, found in members.items()}
        return Collected(self._listed(pools["train"]) if rule == "list" else pools, names, faults=faults, facts={"split_rule": rule})

    def chosen(self) -> dict[str, Chosen]:
        """`split`: as the folder has it."""
        _, rule = self._tops()
        return {"split": Chosen(f"{self.root} has {'' if rule == 'folder' else 'no '}sub-folders train and val or test", rule)}

    def _tops(self) -> tuple[dict[SplitName, Path], str]:
        """The folder that holds the class folders, for each split, and the rule that it was found by."""
        options = self.options
        lists = any((options.train_list, options.val_list, options.test_list))
        by_list = options.split == "list" or (options.split == "auto" and lists)
        if by_list and self.whole is None:  # else the lists are those of a run, and the folder is another one
            if not lists:
                raise DataError("data.split: list: none of data.train_list, data.val_list and data.test_list is given; give at least one of them")
            return {"train": self.root}, "list"
        if options.split != "ratio":
            found = files.split_folders(self.root)
            if found is not None:
                return found, "folder"
            if options.split == "folder":
                there = _named(files.folders(self.root))
                raise DataError(f"data.split: folder: {self.root} needs sub-folders train and val, or train and test; it holds {there}")
        return {"train": self.root}, "ratio"

    def _classes(self, top: Path, faults: list[Fault]) -> dict[str, list[Picture]]:
        """The pictures of each class below a folder."""
        folders = files.folders(top)
        if not folders:
            lists = sorted(file.name for file in top.iterdir() if file.suffix in _LISTS)
            hint = (
                f"it holds the list {lists[0]}: use data.source: image_list" if lists else "put the pictures of each class into a folder of its own"
            )
            raise DataError(f"{top}: holds no folders, one for each class is needed; {hint}")
        faults += [
            Fault("no-class", (files.name_within(file, self.root),), f"lies in {top.name} itself, not in the folder of a class")
            for file in sorted(top.iterdir())
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ]
        wanted = self.options.classes
        found = {folder.name: self._pictures(folder, faults) for folder in folders if wanted is None or folder.name in wanted}
        if wanted is None and len(found) == 1 and len(inner := files.folders(folders[0])) > 1:
            raise DataError(
                f"{top}: holds the folder {folders[0].name} only, which holds {_named(inner)}; set data.path to {folders[0]} if those are the classes"
            )
        return found

    def _pictures(self, folder: Path, faults: list[Fault]) -> list[Picture]:
        """The pictures of one class, and the faults of files that look like pictures but can't be read, or the other way round."""
        return [Picture(files.name_within(file, self.root), file, (folder.name,)) for file in files.pictures(folder, self.root, faults)]

    def _check_classes(self, names: Sequence[str], members: Mapping[SplitName, Mapping[str, Sequence[Picture]]]) -> None:
        """Raises when data.classes names a class that has no folder."""
        known = {name for found in members.values() for name in found}
        for name in names:
            if name not in known:
                there = _named(folder for top in self._tops()[0].values() for folder in files.folders(top))
                raise DataError(f"data.classes: there is no folder {name} in {self.root}; it holds {there}{did_you_mean(name, there.split(', '))}")

    def _listed(self, pictures: Sequence[Picture]) -> dict[SplitName, list[Picture]]:
        """The pictures by the lists that are given."""
        options = self.options
        given: dict[SplitName, str | None] = {"train": options.train_list, "val": options.val_list, "test": options.test_list}
        lists = {split: self.root / file for split, file in given.items() if file is not None}
        names = files.read_lists(lists, (one.name for one in pictures))
        return {split: [one for one in pictures if one.name in members] for split, members in names.items()}


def _unusable(names: Sequence[str], members: Mapping[SplitName, Mapping[str, Sequence[Picture]]]) -> list[Fault]:
    """Classes that have no picture, or none to train on."""
    faults = []
    for name in names:
        holding = [split for split, found in members.items() if found.get(name)]
        if not holding:
            faults.append(Fault("empty-folder", (name,), f"the folder of the class {name} holds no picture"))
        elif "train" not in holding:
            faults.append(Fault("untrained-class", (name,), f"the class {name} has pictures in {' and '.join(holding)} but none in train"))
    return faults


def _named(folders: Iterable[Path]) -> str:
    """Up to eight names, sorted."""
    names = sorted({folder.name for folder in folders})
    return ", ".join(names[:8]) if names else "no folders"
