"""Features made by hand, before a classifier that has none of its own: options that such systems share, and what is done for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from kvision.core import checks
from kvision.core.schema import Count, Recipe, Section

if TYPE_CHECKING:
    import keras

    from kvision.engine.pretrained import Pretrained
    from kvision.engine.system import Examples

NAME = "features"
_USED_BY = {
    "grey": ("none", "hog", "visual_words"),
    **dict.fromkeys(("cell_px", "block_cells", "orientations"), ("hog",)),
    **dict.fromkeys(("space", "bins", "soft"), ("colour_histogram",)),
    **dict.fromkeys(("words", "patch_px", "stride_px", "encoding", "parts"), ("visual_words",)),
}
RAW = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Mean and deviation by which pictures stay as they are, 0-1, as features that are made by hand know them."""


class FeatureOptions(Section):
    """What a picture is turned into."""

    features: Literal["none", "hog", "colour_histogram", "visual_words"] = Field(
        "none",
        description="`none`: the pixels; `hog`: histograms of oriented gradients (Dalal 2005); `colour_histogram`: shares of colours; "
        "`visual_words`: words of a codebook that is learnt from patches (Csurka 2004, Coates 2011).",
    )
    grey: bool = Field(False, description="Looks at the brightness only, a third of the values.")
    cell_px: Count = Field(8, description="`hog`: side of a cell, pixels.")
    block_cells: Count = Field(2, description="`hog`: side of the blocks that are normalised, cells.")
    orientations: int = Field(9, ge=2, le=360, description="`hog`: over half a turn.")
    space: Literal["rgb", "hsv"] = Field("hsv", description="`colour_histogram`: red, green and blue, or hue, saturation and value.")
    bins: tuple[Count, Count, Count] = Field((8, 4, 4), description="`colour_histogram`: of each of the three; the model has their product.")
    soft: bool = Field(False, description="`colour_histogram`: of rgb; a pixel is shared by the bins around it.")
    words: Count = Field(200, description="`visual_words`: size of the codebook.")
    patch_px: Count = Field(6, description="`visual_words`: side of a patch, pixels.")
    stride_px: Count = Field(2, description="`visual_words`: from one patch to the next, pixels.")
    encoding: Literal["triangle", "hard"] = Field(
        "triangle", description="`visual_words`: a patch is its nearest word (`hard`), or all words nearer than the mean, by how much they are."
    )
    parts: Count = Field(2, description="`visual_words`: the picture is cut into parts x parts, whose words are counted apart.")


def faults(recipe: Recipe) -> list[tuple[str, str]]:
    """Options that don't go together, as `System.check` tells them."""
    o: FeatureOptions = recipe.model  # type: ignore[assignment]
    side = recipe.data.size_px
    found = checks.without_effect("model", o, "features", _USED_BY)
    if o.features == "hog" and o.cell_px * o.block_cells > side:
        block = f"a block of {o.block_cells} cells of {o.cell_px} pixels"
        found.append(("model.cell_px", f"{block} does not fit into data.size_px={side}; use smaller cells, or fewer in a block"))
    if o.features == "colour_histogram" and o.space == "hsv" and (o.soft or o.bins[0] < 3):
        option, value, fix = ("soft", o.soft, "use space=rgb") if o.soft else ("bins", list(o.bins), "use at least 3 bins of hue, the first number")
        found.append((f"model.{option}", f"{value} does not go with space=hsv; {fix}"))
    if o.features == "visual_words" and (o.patch_px > side or (side - o.patch_px) // o.stride_px + 1 < o.parts):
        message = f"patches of {o.patch_px} pixels fill no {o.parts} x {o.parts} parts of data.size_px={side}; use smaller ones, or fewer parts"
        found.append(("model.patch_px", message))
    return found


def extract(image: keras.KerasTensor, o: FeatureOptions) -> keras.KerasTensor:
    """The features of pictures.

    Args:
        image: `[B, S, S, 3]`, 0-1 if there are features, else normalised.
        o: The options.

    Returns:
        `[B, D]`, or pictures `[B, S, S, 1 or 3]` where the pixels are what is wanted.
    """
    if o.grey:
        from kvision.layers.grey import Grey

        image = Grey(name="grey")(image)
    if o.features == "hog":
        from kvision.layers.hog import HOG

        return HOG(o.cell_px, o.block_cells, o.orientations, name=NAME)(image)
    if o.features == "colour_histogram":
        from kvision.layers.colour_histogram import ColourHistogram

        return ColourHistogram(o.bins, o.space, o.soft, name=NAME)(image)
    if o.features == "visual_words":
        from kvision.layers.visual_words import VisualWords

        return VisualWords(o.words, o.patch_px, o.stride_px, o.encoding, o.parts, name=NAME)(image)
    return image


def raw_pictures(o: FeatureOptions) -> Pretrained | None:
    """For `System.pretrained`, where no weights are given: no weights, but that pictures are wanted as they are; none without features."""
    if o.features == "none":
        return None
    from kvision.engine.pretrained import Pretrained

    return Pretrained({}, f"model.features={o.features}", optional=("",), colour=RAW)


def fit(net: keras.Model, o: FeatureOptions, examples: Examples, seed: int) -> None:
    """Learns the codebook of visual words; other features have nothing to learn.

    Args:
        net: Has the layer that `extract` made.
        o: The options.
        examples: As `System.fit` is given them.
        seed: Of what is random.

    Raises:
        DataError: If there are too few examples.
    """
    if o.features != "visual_words":
        return
    import keras

    from kvision.layers import visual_words

    layer = net.get_layer(NAME)
    before = keras.Model(net.input, layer.input)
    # In training pictures have but one view.
    visual_words.fit(layer, lambda: (before(batch["image"], training=True).numpy() for batch in examples("train")), seed)
