"""How a network begins: for large pictures with strides and poolings, for small ones without; and how what has strides is padded."""

from __future__ import annotations

from typing import Literal

from kvision.core.schema import Chosen

Stem = Literal["auto", "imagenet", "cifar"]
Padding = Literal["same", "even"]
SMALL_PX = 64


def pad_px(padding: Padding) -> Literal["same"] | None:
    """The padding as `kvision.layers.blocks.convolution` takes it."""
    return "same" if padding == "same" else None


def small_stem(stem: Stem, size_px: int, below_px: int = SMALL_PX) -> bool:
    """Whether pictures of this size go through the beginning for small ones, `cifar`."""
    return stem == "cifar" or (stem == "auto" and size_px < below_px)


def chosen_stem(stem: Stem, below_px: int = SMALL_PX) -> dict[str, Chosen]:
    """The option `stem`, if it stands open."""
    return {"stem": Chosen(f"cifar below {below_px} px, else imagenet")} if stem == "auto" else {}
