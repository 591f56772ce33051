"""The inverted bottleneck, of which networks for devices are built: wide inside, narrow where blocks are added.

Paper: Sandler et al. 2018 (MobileNetV2), arXiv 1801.04381, figure 3; with squeeze-and-excitation: Howard et al. 2019 (MobileNetV3), arXiv 1905.02244,
figure 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from kvision.layers import blocks
from kvision.layers.stochastic_depth import added

if TYPE_CHECKING:
    import keras

    from kvision.layers.style import Style


def inverted(
    x: keras.KerasTensor,
    filters: int,
    style: Style,
    *,
    name: str,
    expanded: int,
    size: int = 3,
    strides: int = 1,
    padding: Literal["same", "even"] = "same",
    squeezed: int = 0,
    squeeze_style: Style | None = None,
    gate: str = "sigmoid",
    survival: float = 1.0,
) -> keras.KerasTensor:
    """A 1x1 convolution to more channels, a depthwise one, and a linear 1x1 convolution back to few; added to its input where shapes agree.

    Args:
        x: `[B, H, W, C]`.
        filters: Channels of the result.
        style: Normalisation, activation and initial kernels.
        name: Of the block.
        expanded: Channels inside; where they are C, the first convolution is left out.
        size: Side of the depthwise kernel.
        strides: Of the depthwise convolution.
        padding: Of the depthwise convolution, as `blocks.depthwise` has it.
        squeezed: Units of the squeeze-and-excitation; 0: none.
        squeeze_style: Its style; none: `style`.
        gate: Its activation of the factors.
        survival: Probability that an example keeps the branch in training (stochastic depth).

    Returns:
        `[B, H', W', filters]`, rounded up.
    """
    inner = x
    if expanded != x.shape[-1]:
        inner = blocks.convolution(x, expanded, 1, style, name=f"{name}_expand")
    inner = blocks.depthwise(inner, size, style, name=f"{name}_depthwise", strides=strides, padding=padding)
    if squeezed:
        inner = blocks.squeeze_excite(inner, squeezed, squeeze_style or style, name=f"{name}_se", gate=gate)
    inner = blocks.convolution(inner, filters, 1, style, name=f"{name}_project", activate=False)
    if strides != 1 or x.shape[-1] != filters:
        return inner
    return added(x, inner, survival, name)
