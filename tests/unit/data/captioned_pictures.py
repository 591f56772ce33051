"""Pictures of shapes with their sentences, written in the formats that captioned data sets have."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.data.sources.scenes import SceneSplit

SIDE = 32


@functools.cache
def scenes() -> SceneSplit:
    from pathlib import Path

    from kvision.data.sources.scenes import Options, Scenes

    options = Options(
        objects="shapes", size_px=SIDE, min_objects=1, max_objects=2, object_scale=(0.3, 0.46), overlap=0, clutter=0, train_size=16, val_size=1
    )
    return Scenes(options, seed=0, base=Path()).split("train")


def captions(number: int, count: int = 5) -> list[str]:
    """The first sentences of picture `number`."""
    return scenes().captions[number][:count]


def picture(number: int) -> Any:
    """uint8 `[S, S, 3]`."""
    return scenes()._arrays["image"][number]


def images(folder: Path, numbers: range = range(12), suffix: str = ".png") -> list[str]:
    """Writes `00.png` ... into a folder; gives back the names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:02}{suffix}" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        Image.fromarray(picture(number)).save(folder / name)
    return names


def beside(folder: Path, numbers: range = range(12), count: int = 5) -> list[str]:
    """The same with a `.txt` file beside each picture, a line a sentence."""
    names = images(folder, numbers)
    for number, name in zip(numbers, names, strict=True):
        (folder / name).with_suffix(".txt").write_text("\n".join(captions(number, count)) + "\n")
    return names


def tokens(folder: Path, numbers: range = range(12)) -> list[str]:
    """Flickr8k as it is published: `Flickr8k.token.txt` and `Flicker8k_Dataset`."""
    names = images(folder / "Flicker8k_Dataset", numbers, ".jpg")
    lines = [f"{name}#{place}\t{text} ." for number, name in zip(numbers, names, strict=True) for place, text in enumerate(captions(number))]
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    return names
