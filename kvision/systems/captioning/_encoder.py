"""The part of a captioner that sees: any classifier's body, by its id in the catalogue, or a small one of its own. It gives a grid of features.

Shapes: image `[B, S, S, 3]` normalised, grid `[B, h, w, D]`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from kvision.core import faults
from kvision.core.errors import UsageError
from kvision.core.schema import Section

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from kvision.core.schema import GroupOptions, Recipe
    from kvision.data.source import DataInfo
    from kvision.engine.pretrained import Pretrained
    from kvision.engine.system import System

Filters = Annotated[int, Field(ge=1, le=8192)]
POOLED = "mean"
"""The layer of a classifier that takes the mean of its map."""
_TRANSFERS = ("none", "freeze", "fine_tune")


class EncoderOptions(Section):
    """What sees."""

    system: str | None = Field(None, description="The classifier whose body it is, such as `classification/efficientnet`; none: a small one.")
    model: dict[str, Any] = Field({}, description="The classifier's options as its recipe has them, such as {weights: imagenet, transfer: freeze}.")
    filters: tuple[Filters, ...] = Field(
        (32, 64, 128), min_length=1, max_length=10, description="Of the body of its own: a stage for each, which halves the size."
    )
    squeeze_excite: int = Field(0, ge=0, le=8192, description="Channel attention on the grid: units of its squeezed layer (Hu 2018); 0: none.")
    positions: Literal["none", "learned", "sinusoidal"] = Field(
        "none", description="Add to the features of each place what is learnt for it, or sines and cosines, so that what is seen tells where."
    )


def check(options: EncoderOptions, recipe: Recipe) -> list[tuple[str, str]]:
    """What is wrong with the encoder, as `System.check` tells it."""
    if options.system is None:
        unused = [("model.encoder.model", f"{options.model} is for a classifier's body; set model.encoder.system")] if options.model else []
        halved, size = 2 ** len(options.filters), recipe.data.size_px
        if size % halved:
            unused.append(("model.encoder.filters", f"{len(options.filters)} stages do not divide size_px={size} by {halved}; use fewer"))
        return unused
    from kvision import catalog

    found = []
    if options.filters != EncoderOptions.model_fields["filters"].default:
        found.append(("model.encoder.filters", f"{options.filters} are of the body of its own, not of {options.system}'s; take them out"))
    if fault := catalog.system_fault(options.system):
        return [*found, ("model.encoder.system", fault)]
    try:
        own = _recipe(options, recipe)
    except UsageError as error:
        return [*found, ("model.encoder.model", str(error))]
    return found + [(f"model.encoder.{path}", message) for path, message in catalog.system(options.system).check(own) if path.startswith("model.")]


def _recipe(options: EncoderOptions, recipe: Recipe) -> Recipe:
    """The classifier's own recipe, on the captioner's pictures; raises `UsageError` if it is no classifier with such options."""
    from kvision import catalog

    kind = catalog.system(options.system or "")
    if kind.task != "classification":
        raise UsageError(f"{options.system} is for {kind.task}; give a classifier, `kvision list classification` names them")
    try:
        model: Any = kind.Options.model_validate_json(json.dumps(options.model), strict=True)
    except ValidationError as error:
        reasons = [f"{fault.dotted}: {fault.message}" for fault in faults.translate(error.errors(), kind.Options, options.model)]
        raise UsageError("; ".join(reasons)) from error
    if (transfer := getattr(model, "transfer", "none")) not in _TRANSFERS:
        raise UsageError(f"transfer: {transfer} fits a classifier's head, which a captioner does not have; use {', '.join(_TRANSFERS)}")
    return recipe.model_copy(update={"system": options.system, "model": model, "loss": kind.Loss()})


class Seen(NamedTuple):
    """What is seen of pictures.

    Attributes:
        image: The input `[B, S, S, 3]`.
        features: `[B, G, D]`, the places of the grid row by row.
        grid: Its height and width.
    """

    image: keras.KerasTensor
    features: keras.KerasTensor
    grid: tuple[int, int]


class Encoder:
    """Sees.

    Args:
        options: The recipe's `model.encoder`.
        recipe: The captioner's.
        info: The data's.
    """

    def __init__(self, options: EncoderOptions, recipe: Recipe, info: DataInfo) -> None:
        self._options = options
        self._size_px = recipe.data.size_px
        self._classifier: System | None = None
        if options.system is not None:
            from kvision import catalog

            info = dataclasses.replace(info, class_names=("anything",), palette=((0, 0, 0),), fields=frozenset({"image", "label"}))
            self._classifier = catalog.system(options.system)(_recipe(options, recipe), info)
            self._classifier.networks = self._classifier.build()

    def see(self) -> Seen:
        """Makes the body; raises `UsageError` if the classifier's has no map."""
        import keras

        from kvision.layers import blocks
        from kvision.layers.patches import Positions
        from kvision.layers.style import Style

        if self._classifier is None:
            image = keras.Input((self._size_px, self._size_px, 3), name="image")
            grid = _own_body(image, self._options.filters)
        else:
            net = self._classifier.net
            pooled = next((layer for layer in net.layers if layer.name == POOLED), None)
            if pooled is None or len(pooled.input.shape) != 4:
                raise UsageError(f"model.encoder.system: {self._options.system} with these options has no map of features; use another")
            image, grid = net.input, pooled.input
        if self._options.squeeze_excite:
            grid = blocks.squeeze_excite(grid, self._options.squeeze_excite, Style(), name="channels")
        height, width, channels = grid.shape[1:]
        features = keras.layers.Reshape((height * width, channels), name="grid")(grid)
        if self._options.positions != "none":
            features = Positions(self._options.positions, (height, width), name="positions")(features)
        return Seen(image, features, (height, width))

    def groups(self) -> tuple[GroupOptions, ...]:
        """Those of the classifier: in fine-tuning, its body at rates of its own."""
        return () if self._classifier is None else self._classifier.groups()

    def pretrained(self, base: Path, names: dict[int, str]) -> Pretrained | None:
        """The weights that the classifier begins with.

        Args:
            base: Folder that relative paths start from.
            names: What the captioner calls its weights, by their `id`.

        Returns:
            They, by those names; none: it begins at random.
        """
        from kvision.engine import state

        given = None if self._classifier is None else self._classifier.pretrained(base)
        if given is None or self._classifier is None:
            return None
        own = state.weights(self._classifier.networks)
        values = {names[id(own[name])]: value for name, value in given.values.items() if name in own and id(own[name]) in names}
        return dataclasses.replace(given, values=values, optional=tuple(name for name in names.values() if name not in values))


def _own_body(image: keras.KerasTensor, filters: tuple[int, ...]) -> keras.KerasTensor:
    """Twice a convolution, then half the size, for each stage."""
    import keras

    from kvision.layers import blocks
    from kvision.layers.style import Style

    x = image
    for number, count in enumerate(filters):
        for half in ("a", "b"):
            x = blocks.convolution(x, count, 3, Style(), name=f"stage{number}{half}")
        x = keras.layers.MaxPooling2D(2, name=f"stage{number}_pool")(x)
    return x
