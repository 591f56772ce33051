"""What a person wants to see of a data set: examples before and after augmentation, classes, sizes, counts and normalisation."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.core.labels import IGNORE_LABEL
from kvision.data import palette
from kvision.data.augment import TRANSFORMS, is_identity
from kvision.data.statistics import spread

if TYPE_CHECKING:
    from kvision.core.schema import AugmentOptions
    from kvision.data.pipeline import Pipeline
    from kvision.data.source import DataInfo, SplitName

MASK_OPACITY = 150
SHARP_PX = 192
SPLITS: tuple[SplitName, SplitName] = ("train", "val")


@dataclass(frozen=True)
class Box:
    """A labelled rectangle, pixels."""

    left: float
    top: float
    width: float
    height: float
    colour: str
    name: str


@dataclass(frozen=True)
class Shot:
    """One picture with what is known of it; `image` and `mask` are data URIs, `mask` is empty if there is none."""

    title: str
    image: str
    mask: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Example:
    """An example as it is, followed by what some epochs show of it."""

    name: str
    shots: tuple[Shot, ...]
    captions: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class: its share of the pixels and of the images that show it, each by split, 0-1."""

    name: str
    colour: str
    pixels: dict[str, float]
    images: dict[str, float]


@dataclass(frozen=True)
class CountRow:
    """One class of a classification data set: its examples in each split, and what share of the commonest class's they are, 0-1."""

    name: str
    counts: dict[str, int]
    shares: dict[str, float]


@dataclass(frozen=True)
class Transform:
    """A random change: how often, and how much at most."""

    name: str
    probability: float
    strength: str


@dataclass(frozen=True)
class Overview:
    """All that the page tells."""

    facts: tuple[tuple[str, str], ...]
    normalisation: tuple[tuple[str, float, float], ...]
    transforms: tuple[Transform, ...]
    classes: tuple[ClassRow, ...]
    counts: tuple[CountRow, ...]
    counted: dict[str, int]
    examples: dict[str, tuple[Example, ...]]
    side: int


def overview(pipeline: Pipeline, count: int, *, draws: int = 3, most: int = 500) -> Overview:
    """Looks at a data set.

    Args:
        pipeline: The data, with the fields that are to be shown.
        count: Training examples to show; a third as many of validation.
        draws: Epochs to show each training example in, if there is augmentation.
        most: Examples of each split that classes and sizes are counted over, evenly spaced.

    Returns:
        What a page can be made of.

    Raises:
        DataError: If the data can't be used, or has no pictures.
    """
    preprocess = pipeline.preprocess
    totals: dict[SplitName, int] = {"train": pipeline.num_train, "val": pipeline.num_val}
    chosen = {split: spread(num, most) for split, num in totals.items()}
    still = is_identity(pipeline.options.augment) and pipeline.options.fit == "resize"
    shown = {split: spread(totals[split], count if split == "train" else -(-count // 3)) for split in SPLITS}
    return Overview(
        facts=_facts(pipeline, chosen),
        normalisation=tuple(zip(("red", "green", "blue"), preprocess.mean, preprocess.std, strict=True)),
        transforms=_transforms(pipeline.options.augment),
        classes=_classes(pipeline, chosen) if "mask" in pipeline.fields else (),
        counts=_counts(pipeline),
        counted={split: len(indices) for split, indices in chosen.items()},
        examples={
            split: tuple(_example(pipeline, split, index, 0 if still or split == "val" else draws) for index in indices)
            for split, indices in shown.items()
        },
        side=pipeline.options.size_px,
    )


def colour_text(colour: tuple[int, int, int]) -> str:
    """`#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def mask_uri(mask: np.ndarray, info: DataInfo) -> str:
    """A PNG to be laid over the image: classes in their colours, the background clear, what is ignored grey.

    Args:
        mask: uint8 `[H, W]`.
        info: Names and colours of the classes.

    Returns:
        A data URI.
    """
    picture = Image.fromarray(mask, mode="P")
    opacity = np.full(256, MASK_OPACITY, np.uint8)
    opacity[0] = 0
    opacity[IGNORE_LABEL] = 200
    picture.putpalette(palette.table(info.palette).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=opacity.tobytes(), optimize=True)
    return _uri("png", buffer)


def image_uri(image: np.ndarray) -> str:
    """uint8 `[H, W, 3]` as a data URI: PNG while small, else JPEG."""
    buffer = io.BytesIO()
    kind = "png" if max(image.shape[:2]) <= SHARP_PX else "jpeg"
    Image.fromarray(image).save(buffer, kind.upper(), **({"optimize": True} if kind == "png" else {"quality": 88}))
    return _uri(kind, buffer)


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _example(pipeline: Pipeline, split: SplitName, index: int, draws: int) -> Example:
    """One example with its draws."""
    raw = pipeline.raw(split, index)
    shots = [_shot("as it is", raw, pipeline.info)]
    shots += [_shot(f"epoch {epoch + 1}", pipeline.sample(index, epoch), pipeline.info) for epoch in range(draws)]
    captions = tuple(caption.decode() for caption in raw.get("captions", ()) if caption)
    return Example(pipeline.name(split, index), tuple(shots), captions, _labels(raw, pipeline.info))


def _labels(fields: dict[str, np.ndarray], info: DataInfo) -> tuple[str, ...]:
    """The names of an example's classes, if it has any."""
    if "label" in fields:
        return (info.class_names[int(fields["label"])],)
    return tuple(info.class_names[k] for k in np.flatnonzero(fields.get("targets", ())))


def _shot(title: str, fields: dict[str, np.ndarray], info: DataInfo) -> Shot:
    mask = mask_uri(fields["mask"], info) if "mask" in fields else ""
    return Shot(title, image_uri(fields["image"]), mask, tuple(_boxes(fields, info)))


def _boxes(fields: dict[str, np.ndarray], info: DataInfo) -> list[Box]:
    """The rectangles of an example, padding left out."""
    found = []
    labels = fields.get("labels")
    for row, (top, left, bottom, right) in enumerate(fields.get("boxes", ())):
        if bottom >= 0:
            label = -1 if labels is None else int(labels[row])
            name, colour = (info.class_names[label], colour_text(info.palette[label])) if label >= 0 else ("", "#ffffff")
            found.append(Box(float(left), float(top), float(right - left), float(bottom - top), colour, name))
    return found


def _classes(pipeline: Pipeline, chosen: dict[SplitName, list[int]]) -> tuple[ClassRow, ...]:
    """Pixel share and share of images of each class, and of what is ignored if there is any."""
    pixels, images = {}, {}
    for split, indices in chosen.items():
        counts = np.zeros([len(indices), 256], np.int64)
        for row, index in enumerate(indices):
            counts[row] = np.bincount(pipeline.raw(split, index)["mask"].ravel(), minlength=256)
        pixels[split] = counts.sum(0) / max(counts.sum(), 1)
        images[split] = (counts > 0).mean(0) if indices else np.zeros(256)
    info = pipeline.info
    rows = [*enumerate(zip(info.class_names, info.palette, strict=True)), (IGNORE_LABEL, ("ignored", palette.IGNORED))]
    return tuple(
        ClassRow(
            name,
            colour_text(colour),
            {split: float(share[number]) for split, share in pixels.items()},
            {split: float(share[number]) for split, share in images.items()},
        )
        for number, (name, colour) in rows
        if number < info.num_classes or any(share[number] for share in pixels.values())
    )


def _counts(pipeline: Pipeline) -> tuple[CountRow, ...]:
    """Examples of each class in each split, where the source counts them."""
    counts: dict[str, list[int]] = pipeline.report().get("class_counts", {})
    most = {split: max(1, *column) for split, column in counts.items()}
    return tuple(
        CountRow(name, {split: column[k] for split, column in counts.items()}, {split: column[k] / most[split] for split, column in counts.items()})
        for k, name in enumerate(pipeline.info.class_names if counts else ())
    )


def _facts(pipeline: Pipeline, chosen: dict[SplitName, list[int]]) -> tuple[tuple[str, str], ...]:
    """What fits into one line each."""
    options, report = pipeline.options, pipeline.report()
    left_out = sum(len(names) for names in report["skipped"].values())
    facts: list[tuple[str, Any]] = [
        ("training examples", f"{pipeline.num_train:,}"),
        ("validation examples", f"{pipeline.num_val:,}"),
        *((("classes", pipeline.info.num_classes),) if pipeline.info.num_classes else ()),
        *((("vocabulary", f"{pipeline.texts.vocabulary.size:,}"), ("longest text", pipeline.texts.length)) if pipeline.texts else ()),
        ("original size", _sizes(pipeline, chosen)),
        ("trained on", f"{options.size_px} × {options.size_px} px, {options.fit}"),
        ("batch", options.batch),
        *(() if options.batch_is_open else (("steps an epoch", f"{pipeline.steps_per_epoch:,}"),)),
    ]
    return tuple((name, str(value)) for name, value in [*facts, *([("left out, unreadable", left_out)] if left_out else [])])


def _sizes(pipeline: Pipeline, chosen: dict[SplitName, list[int]]) -> str:
    """Width × height of the pictures, or from the smallest to the largest by area, over at most 100 of each split."""
    sizes = {pipeline.original_size(split, indices[at])[::-1] for split, indices in chosen.items() for at in spread(len(indices), 100)}
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    texts = [f"{width} × {height}" for width, height in (ordered[0], ordered[-1])]
    return f"{texts[0]} px" if len(ordered) == 1 else f"{texts[0]} to {texts[1]} px"


def _transforms(options: AugmentOptions) -> tuple[Transform, ...]:
    """The transforms that are ever drawn."""
    low, high = options.scale_range
    colour = f"brightness ±{options.brightness:.0%}, contrast ±{options.contrast:.0%}, saturation ±{options.saturation:.0%}, hue ±{options.hue:.0%}"
    strength = {
        "flip_x": "left-right",
        "flip_y": "up-down",
        "rotate": f"±{options.rotate_deg:g}°",
        "scale": f"× {low:g} to × {high:g}",
        "shear": f"±{options.shear_deg:g}°",
        "elastic": f"up to {options.elastic_px:g} px",
        "lens": f"±{options.lens_strength:g}",
        "colour": colour,
        "blur": f"up to {options.blur_px:g} px",
        "noise": f"up to {options.noise_std:.0%} of full range",
        "cutout": f"{options.cutout_size:.0%} of the side",
        "mixup": f"blended with another picture by a share drawn from Beta({options.mixup_alpha:g}, {options.mixup_alpha:g})",
        "cutmix": f"a box of another picture; its own share drawn from Beta({options.cutmix_alpha:g}, {options.cutmix_alpha:g})",
    }
    shown = (*TRANSFORMS, "mixup", "cutmix")  # those two need another example, so that the draws on the page are without them
    return tuple(Transform(name, getattr(options, name), strength[name]) for name in shown if getattr(options, name))
