"""Which operations of a network can be rounded as an int8 file rounds them, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import keras

from kvision.layers import normalization, resampling
from kvision_export.errors import ExportError
from kvision_export.quantize.products import WEIGHTED

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["weighted", "norm", "activation", "own", "same", "free"]
"""`own`: the output has a range of its own; `same`: that of the input, and is rounded again; `free`: the output's values are the input's."""

NORMS = (keras.layers.BatchNormalization, normalization.BatchNormalization)
FIXED: dict[str, tuple[float, float]] = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""Ranges that the int8 kernels of these activations prescribe."""
_ACTIVATIONS = ("linear", "relu", "relu6", "silu", *FIXED)
_OWN = (keras.layers.Concatenate, keras.layers.GlobalAveragePooling2D, keras.layers.LeakyReLU)
_SAME = (keras.layers.AveragePooling2D, resampling.Bilinear)
_FREE = (
    keras.layers.MaxPooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    resampling.Nearest,
    resampling.BedOfNails,
)
_ARITHMETIC = (keras.layers.Add, keras.layers.Subtract, keras.layers.Multiply)
_ARITHMETIC_OPERATIONS = ("Add", "Subtract", "Multiply")
"""Of `keras.ops`, as `x + y` makes them."""


def kind(operation: keras.Operation) -> Kind:
    """How an operation is rounded.

    Args:
        operation: A layer, or an operation of `keras.ops`.

    Returns:
        The kind.

    Raises:
        ExportError: If it can't be rounded; names it and what can.
    """
    if isinstance(operation, WEIGHTED) and _plain_weights(operation):
        return "weighted"
    if isinstance(operation, NORMS) and getattr(operation, "axis", -1) in (-1, 3):
        return "norm"
    if (only := activation_only(operation)) is not None:
        return "free" if only == "linear" else "activation"
    if isinstance(operation, keras.layers.UpSampling2D) and operation.interpolation in ("nearest", "bilinear"):
        return "same" if operation.interpolation == "bilinear" else "free"
    if isinstance(operation, _OWN) or is_arithmetic(operation):
        return "own"
    if isinstance(operation, (*_SAME, *_FREE)):
        return "same" if isinstance(operation, _SAME) else "free"
    raise refusal(operation)


def is_arithmetic(operation: keras.Operation) -> bool:
    """Whether it adds, subtracts or multiplies two tensors."""
    plain = not isinstance(operation, keras.layers.Layer) and type(operation).__name__ in _ARITHMETIC_OPERATIONS
    return plain or isinstance(operation, _ARITHMETIC)


def activation(operation: keras.Operation) -> str | None:
    """The activation that a layer is, or that a layer with weights ends with; `linear` if it ends with none.

    Args:
        operation: A layer, or an operation of `keras.ops`.

    Returns:
        A name of `FUSED` or `FIXED`, or `silu`; none for other operations.

    Raises:
        ExportError: If it is an activation that can't be rounded.
    """
    if isinstance(operation, keras.layers.ReLU):
        plain = not operation.negative_slope and not operation.threshold
        found = {None: "relu", 6.0: "relu6"}.get(operation.max_value) if plain else "relu with a slope, a threshold or another maximum than 6"
    elif isinstance(operation, keras.layers.Softmax):
        found = "softmax" if operation.axis == -1 else None
    elif isinstance(operation, (keras.layers.Activation, *WEIGHTED)):
        found = getattr(operation.activation, "__name__", "?")
    elif not isinstance(operation, keras.layers.Layer) and type(operation).__name__ in ("Relu", "Relu6", "Sigmoid", "Silu", "Tanh"):
        found = type(operation).__name__.lower()
    else:
        return None
    if found not in _ACTIVATIONS:
        raise refusal(operation, f" with activation {found}")
    return found


def activation_only(operation: keras.Operation) -> str | None:
    """The activation that an operation is; none for other operations, also for those that end with one."""
    return None if isinstance(operation, WEIGHTED) else activation(operation)


def refusal(operation: keras.Operation, what: str = "") -> ExportError:
    """Names the operation that can't be rounded, and what can."""
    layers = [*WEIGHTED, keras.layers.BatchNormalization, *_ARITHMETIC, *_OWN, *_SAME, *_FREE, keras.layers.UpSampling2D]
    return ExportError(
        f"--qat: layer {operation.name!r} ({type(operation).__name__}{what}) can't be trained as int8; supported are "
        f"{_names(layers)}, and the activations {', '.join(_ACTIVATIONS)}; "
        "use another layer, or export without --qat"
    )


def _names(layers: Sequence[Any]) -> str:
    return ", ".join(layer.__name__ for layer in layers)


def _plain_weights(layer: Any) -> bool:
    """Whether the kernel is one that the products know."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise refusal(layer, " with data_format channels_first")
    if getattr(layer, "groups", 1) != 1:
        raise refusal(layer, f" with {layer.groups} groups")
    return True
