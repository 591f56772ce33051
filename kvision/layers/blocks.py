"""What convolutional networks are built of, as `kvision.layers.style.Style` says: convolution, normalisation and activation with their names.

Shapes: `[B, H, W, C]` throughout; `NAME_conv`, `NAME_norm` and `NAME_act` are the layers that `convolution` makes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import keras

from kvision.layers.activation import GELU, Maxout, ReLU
from kvision.layers.convolution import Conv2D
from kvision.layers.normalization import BatchNormalization

if TYPE_CHECKING:
    from kvision.layers.style import Activation, Initializer, Norm, Style

GROUPS = 8
LEAKY_SLOPE = 0.1
BATCH_EPSILON = 1e-5


def convolution(
    x: keras.KerasTensor,
    filters: int,
    size: int | tuple[int, int],
    style: Style,
    *,
    name: str,
    strides: int = 1,
    groups: int = 1,
    pad_px: int | Literal["same"] | None = None,
    use_bias: bool = False,
    activate: bool = True,
) -> keras.KerasTensor:
    """Convolution, normalisation and, unless the caller adds something first, activation; padded as `plain_convolution` does it."""
    filters_made = entering(filters, style.activation) if activate else filters
    use_bias = use_bias or style.norm == "none"  # else the normalisation's offset stands in for it
    x = plain_convolution(x, filters_made, size, style, name=f"{name}_conv", strides=strides, groups=groups, pad_px=pad_px, use_bias=use_bias)
    x = normalise(x, style.norm, f"{name}_norm")
    return activation(x, style.activation, f"{name}_act") if activate else x


def plain_convolution(
    x: keras.KerasTensor,
    filters: int,
    size: int | tuple[int, int],
    style: Style,
    *,
    name: str,
    strides: int = 1,
    groups: int = 1,
    pad_px: int | Literal["same"] | None = None,
    use_bias: bool = False,
) -> keras.KerasTensor:
    """A convolution alone.

    Args:
        x: `[B, H, W, C]`.
        filters: Channels of the result.
        size: Side of the kernel, or its height and width.
        style: Initial kernels.
        name: Of the layer.
        strides: In both directions.
        groups: Of channels that don't see each other.
        pad_px: Zeros on every side; none: as many as keep the size at stride 1. With strides too they are added evenly on both sides, as most
            papers' code does; `same` pads even sizes more below and to the right, as TensorFlow's own code does.
        use_bias: Whether there is one.

    Returns:
        `[B, H', W', filters]`.
    """
    height, width = (size, size) if isinstance(size, int) else size
    pads = (pad_px, pad_px) if isinstance(pad_px, int) else ((height - 1) // 2, (width - 1) // 2)
    same = pad_px == "same" or (pad_px is None and strides == 1)
    if any(pads) and not same:
        x = keras.layers.ZeroPadding2D(pads, name=f"{name}_pad")(x)
    options: dict[str, Any] = {"strides": strides, "padding": "same" if same else "valid", "use_bias": use_bias, "name": name}
    return Conv2D(filters, (height, width), groups=groups, kernel_initializer=initializer(style.initializer), **options)(x)


def depthwise(
    x: keras.KerasTensor, size: int, style: Style, *, name: str, strides: int = 1, padding: Literal["same", "even"] = "same", activate: bool = True
) -> keras.KerasTensor:
    """A convolution of each channel by itself, normalisation and activation.

    Padded as `same`, which devices compute without a step of its own, or, with strides, by as many zeros on all sides, as PyTorch's code does it.
    """
    even = padding == "even" and strides > 1
    if even:
        x = keras.layers.ZeroPadding2D((size - 1) // 2, name=f"{name}_conv_pad")(x)
    options: dict[str, Any] = {"strides": strides, "padding": "valid" if even else "same", "use_bias": style.norm == "none", "name": f"{name}_conv"}
    if strides > 1 and keras.config.dtype_policy().compute_dtype == "bfloat16":
        options["dtype"] = "float32"  # which takes a tenth of the time: oneDNN has no good gradient of it in bfloat16
    x = keras.layers.DepthwiseConv2D(size, depthwise_initializer=initializer(style.initializer), **options)(x)
    x = normalise(x, style.norm, f"{name}_norm")
    return activation(x, style.activation, f"{name}_act") if activate else x


def normalise(x: keras.KerasTensor, norm: Norm, name: str) -> keras.KerasTensor:
    """The normalisation of this name; `none` gives `x` itself."""
    channels = x.shape[-1]
    if norm == "batch":
        return BatchNormalization(epsilon=BATCH_EPSILON, name=name)(x)
    if norm == "none":
        return x
    # Over each example (one group), over some channels of it, or over each of them (Wu & He 2018, arXiv 1803.08494, figure 2).
    groups = {"layer": 1, "group": math.gcd(channels, GROUPS), "instance": channels}[norm]
    return keras.layers.GroupNormalization(groups, name=name)(x)


def activation(x: keras.KerasTensor, name_of: Activation, name: str) -> keras.KerasTensor:
    """The activation of this name; `maxout` halves the channels."""
    if name_of == "relu":
        return ReLU(name=name)(x)
    if name_of == "relu6":
        return ReLU(max_value=6.0, name=name)(x)
    if name_of == "gelu":
        return GELU(name=name)(x)
    if name_of == "leaky_relu":
        return keras.layers.LeakyReLU(LEAKY_SLOPE, name=name)(x)
    if name_of == "prelu":
        return keras.layers.PReLU(shared_axes=list(range(1, len(x.shape) - 1)), name=name)(x)
    if name_of == "maxout":
        return Maxout(name=name)(x)
    return keras.layers.Activation(name_of, name=name)(x)


def entering(channels: int, activation: Activation) -> int:
    """How many channels must go into the activation for so many to come out."""
    return 2 * channels if activation == "maxout" else channels


def initializer(name: Initializer) -> str | keras.Initializer:
    """The initializer of this name, as layers take it; a new one for each layer, so that no two begin alike."""
    return keras.initializers.TruncatedNormal(stddev=0.02) if name == "truncated_normal" else name


def squeeze_excite(x: keras.KerasTensor, filters: int, style: Style, *, name: str, gate: str = "sigmoid") -> keras.KerasTensor:
    """Scales each channel by what the whole picture says of it (Hu 2018, arXiv 1709.01507, equations 2 to 4).

    Args:
        x: `[B, H, W, C]`.
        filters: Units of the squeezed layer.
        style: Activation of the squeezed layer.
        name: Of the block.
        gate: Activation of the factors.

    Returns:
        As `x`.
    """
    options = {"kernel_initializer": initializer(style.initializer)}
    factors = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    factors = keras.layers.Conv2D(entering(filters, style.activation), 1, name=f"{name}_reduce", **options)(factors)
    factors = activation(factors, style.activation, f"{name}_act")
    factors = keras.layers.Conv2D(x.shape[-1], 1, activation=gate, name=f"{name}_expand", **options)(factors)
    return keras.layers.Multiply(name=f"{name}_scale")([x, factors])
