"""What published weights ask of a recipe: pictures in the colours that they know, and the options of the networks that they were trained in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kvision.core.errors import UsageError
from kvision.systems.classification._stem import small_stem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.core.schema import Recipe
    from kvision.engine.pretrained import Colour

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE = (123.68 / 255, 116.779 / 255, 103.939 / 255)
COLOURS: dict[str, tuple[Colour, Colour]] = {
    "torch": (_MEAN, _STD),
    "tf": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "middle": ((128 / 255, 128 / 255, 128 / 255), (128 / 255, 128 / 255, 128 / 255)),
    "caffe": (_CAFFE, (1 / 255, 1 / 255, 1 / 255)),
}
"""Mean and deviation of red, green and blue as `preprocess_input(mode=...)` of keras.applications has them, and, `middle`, EfficientNetV2; pictures
are 0-1."""


def demand(recipe: Recipe, origin: str, published: Mapping[str, Any]) -> None:
    """Refuses a recipe whose network computes something else than the published one.

    Args:
        recipe: The recipe.
        origin: Where the weights come from.
        published: The values that the published network has, by `model.NAME`, or `data.NAME`; none: it must be left open.

    Raises:
        UsageError: If one of them differs; names all that must be set.
    """
    wrong = {name: value for name, value in published.items() if not _same(recipe, name, value)}
    if wrong:
        wanted = " ".join(f"{name}={json.dumps(value, separators=(',', ':')).strip(chr(34))}" for name, value in wrong.items())
        raise UsageError(f"model.weights: {origin}: these were trained with other options; set {wanted}")


def _same(recipe: Recipe, name: str, published: Any) -> bool:
    """Whether an option has this value, by choice of kvision perhaps."""
    section, _, option = name.partition(".")
    options: Any = getattr(recipe, section)
    if published is None:
        return getattr(options, option) is None
    if name == "model.stem":
        return small_stem(options.stem, recipe.data.size_px) == (published == "cifar")
    value = options.used(option)
    return bool((list(value) if isinstance(value, tuple) else value) == published)
