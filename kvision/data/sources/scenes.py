"""The embedded data set: pictures composed of real handwritten digits, drawn shapes or Debian's cut-out photographs on textured grounds.

Needs no download. Every scene is a pure function of (`data.seed`, split, number), and an object image is used in one split only, so the
validation scenes show digits that were never trained on, unless `held_out` says otherwise.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from kvision.core.errors import DataError
from kvision.core.schema import Chosen, Probability
from kvision.data import host
from kvision.data.palette import palette
from kvision.data.source import DataInfo, Source, SplitName
from kvision.data.text.texts import TextOptions, Texts, lengths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import tensorflow as tf

    from kvision.core.schema import DataOptions
    from kvision.data.scenes.compose import Scene
    from kvision.data.scenes.lexicon import Lexicon

_FIELDS = frozenset({"image", "mask", "instances", "boxes", "labels", "order", "captions", "tokens", "content"})


class Options(TextOptions):
    """What the scenes show, and how hard they are."""

    source: Literal["scenes"] = "scenes"
    seed: int = Field(
        0, ge=0, lt=2**31, description="Seed of the scenes; apart from `train.seed`, so that every run is validated on the same pictures."
    )
    train_size: int = Field(2000, ge=1, le=10**6, description="Training scenes.")
    val_size: int = Field(400, ge=1, le=10**6, description="Validation scenes.")
    objects: Literal["digits", "shapes", "stamps"] = Field(
        "digits", description="scikit-learn's real handwritten digits, drawn shapes, or the photographs of Debian's tuxpaint-stamps-default."
    )
    folders: tuple[str, ...] = Field((), description="`objects: stamps`: only those of these folders, such as [animals, food]; empty: of all.")
    held_out: Literal["objects", "scenes"] = Field(
        "objects",
        description="What validation shows for the first time: `objects`, each image of which is in one split only; `scenes`, new compositions of "
        "the same images.",
    )
    min_objects: int = Field(4, ge=1, le=32, description="Fewest objects in a scene.")
    max_objects: int = Field(7, ge=1, le=32, description="Most objects in a scene.")
    object_scale: tuple[float, float] = Field((0.26, 0.46), description="Smallest and largest height of an object, as a fraction of the side.")
    rotate_deg: float = Field(15.0, ge=0.0, le=180.0, description="Largest rotation of an object, degrees.")
    overlap: float = Field(0.15, ge=0.0, le=0.9, description="Largest share of an object that others, clutter and the picture's edge may hide.")
    clutter: Probability = Field(0.4, description="How much clutter lies behind and before the objects.")
    contrast: Probability = Field(0.5, description="Least difference, in one channel, between an object's colour and the ground below it.")
    light: Probability = Field(0.5, description="How uneven and tinted the light is.")
    noise: float = Field(0.03, ge=0.0, le=0.5, description="Largest standard deviation of the grain, fraction of full range.")

    @field_validator("max_objects")
    @classmethod
    def _most_is_not_below_fewest(cls, value: int, info: ValidationInfo) -> int:
        fewest = info.data.get("min_objects", 1)
        if value < fewest:
            msg = f"max_objects={value} is below min_objects={fewest}; use max_objects >= {fewest}, or a smaller min_objects"
            raise ValueError(msg)
        return value

    @field_validator("folders")
    @classmethod
    def _folders_are_of_stamps(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("objects") != "stamps":
            msg = f"{list(value)} are folders of stamps, and objects={info.data.get('objects')}; take them out, or set objects: stamps"
            raise ValueError(msg)
        return value

    @field_validator("object_scale")
    @classmethod
    def _scale_is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.05 <= value[0] <= value[1] <= 1.0:
            msg = f"{list(value)} is not a range of fractions of the side; use [smallest, largest] with 0.05 <= smallest <= largest <= 1"
            raise ValueError(msg)
        return value

    def chosen(self) -> dict[str, Chosen]:
        """`cache`: scenes are drawn into memory."""
        return super().chosen() | ({"cache": Chosen("scenes are drawn into memory", "ram")} if self.cache == "auto" else {})


_Options = Options  # inside the source, `Options` is its attribute


class SceneSplit:
    """Scenes in memory: drawn once, then gathered by number in the graph.

    Args:
        name: Which split.
        scenes: Its scenes.
        options: The recipe's `data` section.
        texts: Makes numbers of the captions.

    Attributes:
        names: A name for each.
        contents: What each shows, by number: with it `kvision.data.scenes.facts` judges captions.
    """

    in_memory = True

    def __init__(self, name: SplitName, scenes: Sequence[Scene], options: _Options, texts: Texts) -> None:
        from kvision.data.scenes.content import Content, usual_px

        self.names: Sequence[str] = [f"scenes/{name}/{number}" for number in range(len(scenes))]
        usual = usual_px(options.size_px, options.object_scale)
        self.contents = tuple(Content(scene.things, options.size_px, usual) for scene in scenes)
        self._captions_seed = (options.seed, int(name == "val"))
        self._max_objects = options.max_objects
        self._texts = texts
        self._arrays: dict[str, Any] = {
            "image": np.stack([scene.image for scene in scenes]),
            "mask": np.stack([scene.mask for scene in scenes]),
            "instances": np.stack([scene.instances for scene in scenes]),
        }

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        """Example number `index` (scalar int64) with those of the fields that scenes have."""
        import tensorflow as tf

        return {name: tf.gather(self._tensor(name), index) for name in sorted(fields & _FIELDS)}

    def _tensor(self, name: str) -> tf.Tensor:
        """All scenes' values of one field."""
        if name not in self._arrays:
            self._arrays[name] = host.made(lambda: self._make(name))
        if isinstance(self._arrays[name], np.ndarray):
            self._arrays[name] = host.tensor(self._arrays[name])  # in its place, for pictures are large
        return self._arrays[name]

    @functools.cached_property
    def captions(self) -> list[list[str]]:
        """Five sentences of each scene."""
        from kvision.data.scenes.captions import captions

        return [captions(content, seed=(*self._captions_seed, k)) for k, content in enumerate(self.contents)]

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Pieces of the longest sentence of each, start and end included, int32 `[N]`."""
        return lengths(self._tokens)

    @functools.cached_property
    def _tokens(self) -> np.ndarray:
        return self._texts.rows(self.captions, len(self.captions[0]))

    def _make(self, name: str) -> np.ndarray:
        """The fields that few systems ask for: made when first asked."""
        if name == "captions":
            return np.array(self.captions, dtype=object)
        if name == "content":
            return np.array([content.to_json() for content in self.contents], dtype=object)
        if name == "tokens":
            return self._tokens
        count, most = len(self), self._max_objects
        if name == "boxes":
            boxes = np.full((count, most, 4), -1.0, np.float32)
            for row, content in zip(boxes, self.contents, strict=True):
                row[: len(content.things)] = [thing.box for thing in content.things]
            return boxes
        values = np.full((count, most), -1, np.int32)
        for line, content in zip(values, self.contents, strict=True):
            line[: len(content.things)] = [thing.label for thing in content.things] if name == "labels" else range(len(content.things))
        return values


class Scenes(Source):
    """Composed scenes with semantic masks, instance masks, boxes, labels, depth order and captions."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def __init__(self, options: Any, *, seed: int, base: Path) -> None:
        super().__init__(options, seed=seed, base=base)
        self._splits: dict[SplitName, SceneSplit] = {}

    @functools.cached_property
    def info(self) -> DataInfo:
        """Class names, colours and fields; raises `DataError` when the stamps are asked for but not installed."""
        from kvision.data.scenes import objects

        names = objects.class_names(self.options.objects, self.options.folders)
        return DataInfo(names, palette(len(names)), _FIELDS, self._texts)

    @functools.cached_property
    def _texts(self) -> Texts:
        from kvision.data.scenes import objects

        return Texts(lambda: self.split("train").captions, self.options, objects.nouns(self.options.objects, self.options.folders), self.kept)

    @functools.cached_property
    def lexicon(self) -> Lexicon:
        """The nouns that captions of all splits may use, for `kvision.data.scenes.facts`."""
        from kvision.data.scenes import lexicon, objects

        return lexicon.Lexicon(objects.nouns(self.options.objects, self.options.folders))

    def split(self, name: SplitName) -> SceneSplit:
        """The scenes of a split, drawn when first asked for; raises `DataError` when they don't fit in memory."""
        if name == "test":
            raise self.no_test_split()
        if name not in self._splits:
            self._splits[name] = self._draw(name)
        return self._splits[name]

    def _draw(self, name: SplitName) -> SceneSplit:
        import psutil

        from kvision.data.scenes import compose, objects

        options = self.options
        count = options.train_size if name == "train" else options.val_size
        needed, free = 5 * count * options.size_px**2, psutil.virtual_memory().available
        if 2 * needed > free:  # the arrays, and once more while they become tensors
            msg = (
                f"data.{name}_size={count} scenes of {options.size_px}x{options.size_px} px need {2 * needed / 2**30:.1f} GiB to draw, "
                f"{free / 2**30:.1f} GiB are free; use fewer scenes or a smaller data.size_px"
            )
            raise DataError(msg)
        library = objects.library(options.objects, name if options.held_out == "objects" else None, options.folders)
        scenes = [compose.draw(self.generator(name, number), options, library) for number in range(count)]
        return SceneSplit(name, scenes, options, self._texts)

    def generator(self, name: SplitName, number: int) -> np.random.Generator:
        """The random numbers of one scene."""
        return np.random.default_rng([self.options.seed, int(name == "val"), number])

    def report(self) -> dict[str, Any]:
        """Counts of the scenes."""
        return {"objects": self.options.objects, "train": self.options.train_size, "val": self.options.val_size, "seed": self.options.seed}
