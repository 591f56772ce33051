"""COCO's captions: about five sentences a picture.

Found without being named: `annotations/captions_train2017.json` with `train2017/` or `images/train2017/` (any year, the same for val), and Karpathy's
`dataset_coco.json`, `dataset_flickr8k.json` or `dataset_flickr30k.json`, which say the splits; of those `restval` is trained on. Other files are
named by `annotations` and `images`.

Papers: X. Chen et al., Microsoft COCO Captions, arXiv 1504.00325; A. Karpathy and L. Fei-Fei, CVPR 2015, arXiv 1412.2306 (the splits).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kvision.core.errors import DataError
from kvision.data import annotation_files, files
from kvision.data.annotation_files import AnnotationOptions
from kvision.data.captioned_source import Captioned, CaptionedSource, CaptionOptions, Collected

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_KARPATHY = ("dataset_*.json", "*/dataset_*.json")
_SPLITS: dict[str, SplitName] = {"train": "train", "restval": "train", "val": "val", "test": "test"}


class Options(CaptionOptions, AnnotationOptions):
    """Where annotations and pictures lie."""

    source: Literal["coco_captions"] = "coco_captions"


_Options = Options  # inside the source, `Options` is its attribute


class CocoCaptions(CaptionedSource):
    """Pictures with sentences in COCO's JSON, or in Karpathy's."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder has one of the layouts that are found without being named."""
        return _karpathy(root) is not None or any((root / "annotations").glob("captions_train*.json"))

    def collect(self) -> Collected:
        """Reads the files of all splits."""
        named = None if self.options.annotations is None else self.root / self.options.annotations
        file = named or _karpathy(self.root)
        content = annotation_files.read(file) if file is not None else {}
        if file is not None and "sentences" in (content.get("images") or [{}])[0]:
            return Collected(self._of_karpathy(content, file), facts={"annotations": files.name_within(file, self.root)})
        found = annotation_files.files(self.root, self.options, "captions")
        read = {split: content if each == file else annotation_files.read(each) for split, (each, _) in found.items()}
        pools = {split: self._of_coco(read[split], each, images) for split, (each, images) in found.items()}
        return Collected(pools, facts={"annotations": {split: files.name_within(each, self.root) for split, (each, _) in found.items()}})

    def _of_coco(self, content: dict[str, Any], file: Path, images: Path) -> list[Captioned]:
        """The pictures of one file."""
        try:
            sentences: defaultdict[Any, list[str]] = defaultdict(list)
            for one in content["annotations"]:
                sentences[one["image_id"]].append(_text(one["caption"]))
            known = {one["id"] for one in content["images"]}
            if strangers := sentences.keys() - known:
                raise DataError(f"{file}: has captions of {len(strangers)} pictures that are not among its images, such as {next(iter(strangers))}")
            return [self._captioned_file(images / one["file_name"], sentences[one["id"]]) for one in content["images"]]
        except (KeyError, IndexError, TypeError) as error:
            raise DataError(f"{file}: is not COCO's format: {type(error).__name__} {error}; it needs images and annotations") from error

    def _of_karpathy(self, content: dict[str, Any], file: Path) -> dict[SplitName, list[Captioned]]:
        """The pictures of all splits."""
        try:
            paths = [f"{one['filepath']}/{one['filename']}" if "filepath" in one else one["filename"] for one in content["images"]]
            top = files.holder(self.root, paths)
            pools: defaultdict[SplitName, list[Captioned]] = defaultdict(list)
            for path, one in zip(paths, content["images"], strict=True):
                pools[_SPLITS[one["split"]]].append(self._captioned_file(top / path, [_text(each["raw"]) for each in one["sentences"]]))
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{file}: is not Karpathy's format: {type(error).__name__} {error}; images need filename, split and sentences with raw"
            ) from error
        return dict(pools)

    def _captioned_file(self, file: Path, sentences: list[str]) -> Captioned:
        return Captioned(files.name_within(file, self.root), file, sentences=tuple(sentences))


def _karpathy(root: Path) -> Path | None:
    """Karpathy's file, if there is one."""
    return next((file for pattern in _KARPATHY for file in sorted(root.glob(pattern))), None)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a caption is {value!r}")
    return value
